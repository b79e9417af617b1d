"""Run a module's tests against its mutants: one collection, then one forked process for each mutant."""

from __future__ import annotations

import importlib
import os
import pickle
import random
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, NoReturn, TypedDict

import pytest

from benchmarks.mutation.mutants import Mutant, mutants

MAX_EXAMPLES = 40
"""Of each hypothesis test; those that are written in the test come first."""

MAX_WALL_SECONDS = 45
MIN_CPU_SECONDS = 4

_SURVIVED, _KILLED, _NOT_APPLICABLE = 0, 1, 4
_OPTIONS = (
    "-q", "-x", "--tb=no", "--import-mode=importlib", "-o", "addopts=", "-o", "timeout=0", "-m", "not slow",
    "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:pytest_cov",
)  # fmt: skip


class Score(TypedDict):
    """What became of the mutants of one module."""

    mutants: int
    tried: int
    killed: int
    survivors: list[str]


class _Reached(TypedDict):
    seconds: float
    lines: set[int]


def try_module(path: str, tests: Sequence[str], sample: int, seed: int) -> Score:
    """Try the mutants of a module.

    Args:
        path: of the module.
        tests: files.
        sample: how many mutants, chosen by chance; 0 is all.
        seed: of the choice.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # this process was started for the trial alone
    trial = _Trial(path, sample, seed)
    status = pytest.main([*_OPTIONS, *tests], plugins=[trial])
    if trial.score is None:
        raise RuntimeError(f"cannot run ({status}): {trial.failed}")
    return trial.score


class _Trial:
    """A pytest plugin that runs the collected tests many times, in forked processes."""

    def __init__(self, path: str, sample: int, seed: int) -> None:
        self._path = path
        self._sample = sample
        self._seed = seed
        self.failed = "the tests cannot be collected"
        self.score: Score | None = None

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try the mutants instead of running the tests once."""
        if session.testsfailed:
            return True
        for item in session.items:
            _quicken(item)
        reached = _Forked(lambda: _reach(session, self._path)).result()
        if not isinstance(reached, dict):
            self.failed = f"fails without a mutant: {reached}"
            return True
        source = Path(self._path).read_text(encoding="utf-8")
        total = sum(1 for _ in mutants(source))
        chosen = set(range(total))
        if self._sample and self._sample < total:
            chosen = set(random.Random(self._seed).sample(range(total), self._sample))
        score = Score(mutants=total, tried=0, killed=0, survivors=[])
        for number, mutant in enumerate(mutants(source)):
            if number not in chosen:
                continue
            status = _Forked(partial(_try, session, self._path, mutant, reached)).status()
            if status == _NOT_APPLICABLE:
                continue
            score["tried"] += 1
            score["killed"] += status != _SURVIVED
            if status == _SURVIVED:
                score["survivors"].append(str(mutant))
        self.score = score
        return True


def _quicken(item: pytest.Item) -> None:
    """Let a hypothesis test try few examples, the same each time, and not look for the simplest."""
    import hypothesis  # noqa: PLC0415  after pytest, which rewrites the assertions of its plugin

    test: Any = getattr(item, "obj", None)
    if getattr(test, "is_hypothesis_test", False):
        own = getattr(test, "_hypothesis_internal_use_settings", None) or hypothesis.settings()
        test._hypothesis_internal_use_settings = hypothesis.settings(  # noqa: SLF001  it has no other way
            own,
            max_examples=min(own.max_examples, MAX_EXAMPLES),
            phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
            database=None,
            derandomize=True,
            suppress_health_check=list(hypothesis.HealthCheck),
        )


class _Forked:
    """A function that runs in a forked process; its result is an exit status, or what it returns, pickled."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._reader, writer = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            _call_and_exit(function, writer)
        os.close(writer)

    def status(self) -> int:
        """Return the exit status, negative for a signal."""
        os.close(self._reader)
        return os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])

    def result(self) -> Any:  # noqa: ANN401  whatever the function returns
        """Return what the function returned; None if it did not."""
        with os.fdopen(self._reader, "rb", closefd=False) as stream:
            data = stream.read()
        self.status()
        return pickle.loads(data) if data else None  # noqa: S301  our own


def _call_and_exit(function: Callable[[], object], writer: int) -> NoReturn:
    status = _KILLED
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        result = function()
        if isinstance(result, int):
            status = result
        else:
            with os.fdopen(writer, "wb") as stream:
                pickle.dump(result, stream)
            status = _SURVIVED
    finally:
        os._exit(status)


def _reach(session: pytest.Session, path: str) -> dict[str, _Reached] | str:
    """Run all tests, and return which lines of the module each one reaches; the first test that fails."""
    file, lines = str(Path(path).resolve()), set[int]()

    def trace(frame: FrameType, event: str, _: object) -> Any:  # noqa: ANN401  a trace function
        if frame.f_code.co_filename != file:
            return None
        if event in {"line", "call"}:
            lines.add(frame.f_lineno)
        return trace

    reached: dict[str, _Reached] = {}
    began, items = time.process_time(), session.items
    threading.settrace(trace)
    sys.settrace(trace)
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return item.nodeid
        now = time.process_time()
        reached[item.nodeid] = _Reached(seconds=now - began, lines=set(lines))
        began = now
        lines.clear()
    return reached


def _try(session: pytest.Session, path: str, mutant: Mutant, reached: dict[str, _Reached]) -> int:
    """Return whether a test notices the mutant."""
    items = list(_reaching(session.items, mutant, reached))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    if not _apply(path, mutant):
        return _NOT_APPLICABLE
    for item, following in zip(items, [*items[1:], None], strict=True):
        _limit(reached[item.nodeid]["seconds"])
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return _KILLED
    return _SURVIVED


def _limit(seconds: float) -> None:
    """Have the process killed if the next test takes much longer than it took: a mutant may never end."""
    cpu = int(time.process_time() + MIN_CPU_SECONDS + 5 * seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, resource.RLIM_INFINITY))
    signal.alarm(MAX_WALL_SECONDS)


def _reaching(
    items: Sequence[pytest.Item], mutant: Mutant, reached: dict[str, _Reached]
) -> Iterator[pytest.Item]:
    """Yield the tests that reach the mutant's lines, the quickest first; all, if none does."""
    lines = set(range(mutant.lines[0], mutant.lines[1] + 1))
    ordered = sorted(items, key=lambda item: reached[item.nodeid]["seconds"])
    chosen = [item for item in ordered if lines & reached[item.nodeid]["lines"]]
    yield from chosen or ordered


def _apply(path: str, mutant: Mutant) -> bool:
    """Put a mutant into the loaded module; return False for what cannot be changed once it is loaded."""
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    fresh = ModuleType(module.__name__)
    fresh.__dict__["__file__"] = module.__file__
    code = compile(mutant.tree, str(module.__file__), "exec")
    exec(code, fresh.__dict__)  # noqa: S102  our own module
    changed = _swap_constants(module, fresh)
    return _swap_code(module, fresh, mutant.where) or changed


def _swap_constants(module: ModuleType, fresh: ModuleType) -> bool:
    """Replace the module's constants that differ, also where other modules have imported them."""
    changed = False
    for name, value in vars(fresh).items():
        before = vars(module).get(name)
        own = (
            getattr(value, "__module__", None) == module.__name__ or type(value).__module__ == module.__name__
        )
        if name.startswith("__") or own or isinstance(value, ModuleType) or _is_same(before, value):
            continue
        changed = True
        for other in list(sys.modules.values()):
            if getattr(other, name, None) is before:
                setattr(other, name, value)
    return changed


def _is_same(before: object, after: object) -> bool:
    return before is after or (type(before) is type(after) and repr(before) == repr(after)) or before == after


def _swap_code(old: Any, new: Any, where: Collection[str]) -> bool:  # noqa: ANN401  modules, classes, functions
    """Replace the code of the function that holds the mutant, or the attributes of the class that does."""
    for name in where:
        old, new = _plain(vars(old)[name]), _plain(vars(new)[name])
        if isinstance(old, FunctionType):
            if not isinstance(new.__code__, CodeType) or len(old.__code__.co_freevars) != len(
                new.__code__.co_freevars
            ):
                return False
            old.__code__ = new.__code__
            old.__defaults__, old.__kwdefaults__ = new.__defaults__, new.__kwdefaults__
            return True
    changed = False
    if isinstance(old, type):
        for name, value in vars(new).items():
            if not name.startswith("__") and isinstance(value, bool | int | float | str | tuple | frozenset):
                before = vars(old).get(name)
                if before != value:
                    setattr(old, name, value)
                    changed = True
    return changed


def _plain(member: Any) -> Any:  # noqa: ANN401  what a class or module holds
    """Return the function in a property, a static method, or a decorated function."""
    if isinstance(member, property):
        return member.fget
    while hasattr(member, "__wrapped__"):
        member = member.__wrapped__
    return member
