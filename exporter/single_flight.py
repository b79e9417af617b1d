"""Single flight: concurrent callers share one computation that starts after they called."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class SingleFlight(Generic[P, T]):
    """Computes a value for every caller, one computation at a time.

    A computation that is running may have missed a change that a new caller knows of, so that caller gets the
    next one, shared with all callers that arrive before it starts. Cancelling a caller cancels nothing else.
    `compute` gets the arguments of the first of the callers that share it; all of them get its exception.
    """

    def __init__(self, compute: Callable[P, Awaitable[T]]) -> None:
        self._compute = compute
        self._one_at_a_time = asyncio.Lock()
        self._next: asyncio.Task[T] | None = None
        self._tasks: set[asyncio.Task[T]] = set()

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return a value computed no earlier than now."""
        return await asyncio.shield(self.start(*args, **kwargs))

    def start(self, *args: P.args, **kwargs: P.kwargs) -> asyncio.Task[T]:
        """Start a computation, or join the one that has not started yet; do not wait for it."""
        if self._next is None or self._next.done():  # cancelled while it waited
            self._next = asyncio.get_running_loop().create_task(self._run(*args, **kwargs))
            self._tasks.add(self._next)
            self._next.add_done_callback(self._tasks.discard)
        return self._next

    async def cancel(self) -> None:
        """Cancel what is under way and what waits, and wait until both have ended."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _run(self, *args: P.args, **kwargs: P.kwargs) -> T:
        async with self._one_at_a_time:
            self._next = None
            return await self._compute(*args, **kwargs)
