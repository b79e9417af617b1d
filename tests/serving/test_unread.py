"""Whose answer is given up when too much waits: by order of arrival and size, not by the clock."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.serving.unread import Unread

MOST, FEWEST = 10, 2


class Reader:
    """A connection that knows whether it had to go."""

    gone = False

    def abort(self) -> None:
        self.gone = True


def gone(readers: list[Reader]) -> list[int]:
    return [number for number, reader in enumerate(readers) if reader.gone]


def waiting(*sizes: int) -> tuple[Unread, list[Reader]]:
    unread, readers = Unread(MOST, FEWEST), [Reader() for _ in sizes]
    for reader, size in zip(readers, sizes, strict=True):
        unread.wait(reader, size)
    return unread, readers


def test_nobody_has_to_go_while_all_of_it_fits() -> None:
    unread, readers = waiting(5, 4, 1)

    assert (unread.total, gone(readers)) == (10, [])


def test_whoever_has_waited_longest_goes_first_and_no_more_than_need_to() -> None:
    unread, readers = waiting(1, 2, 5, 4)

    assert (unread.total, gone(readers)) == (9, [0, 1])


def test_some_may_wait_however_large_their_answers_are() -> None:
    unread, readers = waiting(100, 200)
    assert (unread.total, gone(readers)) == (300, [])

    unread.wait(Reader(), 300)
    assert (unread.total, gone(readers)) == (500, [0])


def test_whoever_has_taken_the_answer_counts_no_more() -> None:
    unread, readers = waiting(5, 5)
    unread.leave(readers[0])
    unread.leave(readers[0])

    unread.wait(Reader(), 5)

    assert (unread.total, gone(readers)) == (10, [])


def test_an_answer_that_grows_keeps_its_place_and_is_counted_once() -> None:
    unread, readers = waiting(2, 2, 2)
    unread.wait(readers[0], 6)
    assert (unread.total, gone(readers)) == (10, [])

    unread.wait(readers[0], 7)
    assert (unread.total, gone(readers)) == (4, [0])


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 12) | st.none())))
def test_whatever_comes_and_goes_the_bound_holds(events: list[tuple[int, int | None]]) -> None:
    unread, readers = Unread(MOST, FEWEST), [Reader() for _ in range(10)]
    sizes: dict[int, int] = {}
    for number, size in events:
        if size is None or readers[number].gone:
            unread.leave(readers[number])
            sizes.pop(number, None)
        else:
            unread.wait(readers[number], size)
            sizes[number] = size
        sizes = {one: size for one, size in sizes.items() if not readers[one].gone}
        assert unread.total == sum(sizes.values())
        assert unread.total <= MOST or len(sizes) <= FEWEST
