"""Who has to go when there is no room: by order of arrival, not by the clock."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.serving.seats import Seats

MOST = 3


class Guest:
    """A connection that knows whether it had to go."""

    gone = False

    def abort(self) -> None:
        self.gone = True


def full() -> tuple[Seats, list[Guest]]:
    seats, guests = Seats(MOST), [Guest() for _ in range(MOST)]
    for guest in guests:
        seats.take(guest)
    return seats, guests


def gone(guests: list[Guest]) -> list[int]:
    return [number for number, guest in enumerate(guests) if guest.gone]


def test_nobody_has_to_go_while_there_is_room() -> None:
    seats, guests = full()

    assert (len(seats), gone(guests)) == (MOST, [])


def test_the_stranger_that_came_first_goes_first() -> None:
    seats, guests = full()

    for expected in ([0], [0, 1]):
        seats.take(Guest())
        assert (len(seats), gone(guests)) == (MOST, expected)


def test_a_regular_that_rests_outstays_every_stranger() -> None:
    seats, guests = full()
    seats.work(guests[0])
    seats.rest(guests[0])

    seats.take(Guest())
    seats.take(Guest())
    assert gone(guests) == [1, 2]


def test_among_regulars_the_one_that_rests_longest_goes() -> None:
    seats, guests = full()
    for guest in (guests[2], guests[0], guests[1]):
        seats.work(guest)
        seats.rest(guest)

    seats.take(Guest())

    assert gone(guests) == [2]


def test_whoever_is_at_work_never_has_to_go() -> None:
    seats, guests = full()
    for guest in guests:
        seats.work(guest)

    late = [Guest(), Guest(), Guest()]
    for guest in late:
        seats.take(guest)

    assert (gone(guests), gone(late)) == ([], [0, 1])
    assert len(seats) == MOST + 1


def test_a_request_on_a_connection_that_had_to_go_takes_no_seat() -> None:
    seats, guests = full()
    seats.take(Guest())

    seats.work(guests[0])
    seats.rest(guests[0])

    assert len(seats) == MOST


def test_a_lost_connection_leaves_its_seat_to_the_next() -> None:
    seats, guests = full()

    seats.leave(guests[1])
    seats.leave(guests[1])
    seats.take(Guest())

    assert (len(seats), gone(guests)) == (MOST, [])


def test_clearing_ends_strangers_alone() -> None:
    seats, guests = full()
    seats.work(guests[0])
    seats.work(guests[1])
    seats.rest(guests[1])

    seats.clear()

    assert gone(guests) == [2]


@given(st.lists(st.tuples(st.sampled_from(["take", "work", "rest", "leave"]), st.integers(0, 9))))
def test_whatever_happens_the_seats_are_bounded_and_nobody_at_work_is_sent_away(
    steps: list[tuple[str, int]],
) -> None:
    seats, guests = Seats(MOST), [Guest() for _ in range(10)]
    working: set[int] = set()
    seated: set[int] = set()
    for step, number in steps:
        guest = guests[number]
        if guest.gone or (step == "take") == (number in seated):
            continue
        getattr(seats, step)(guest)
        if step == "take":
            seated.add(number)
        elif step == "leave":
            seated.discard(number)
        if step == "work":
            working.add(number)
        else:
            working.discard(number)
        assert not any(guests[number].gone for number in working)
        assert len(seats) <= max(MOST, len(working)) + 1
