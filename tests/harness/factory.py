"""Makes things that must be closed, for a fixture that closes them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Generic, ParamSpec, Self, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Factory(Generic[P, T]):
    """Called like `make`; enters what it returns, and exits all of it at the end, the last one first."""

    def __init__(self, make: Callable[P, AbstractContextManager[T]]) -> None:
        self._make = make
        self._stack = ExitStack()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Make one and start it."""
        return self._stack.enter_context(self._make(*args, **kwargs))

    def __enter__(self) -> Self:
        """Begin; nothing is made yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close everything, also when closing one of them fails."""
        self._stack.close()
