"""The process: what it inherits from its environment, open files, memory and signals."""

import asyncio
import ctypes
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from exporter.files import start_thread
from exporter.target import Target
from exporter.tls import system_has_no_authorities

T = TypeVar("T")

IGNORED_VARIABLES = (
    # prometheus-client: would keep metrics in files; drop series; refuse names
    "PROMETHEUS_MULTIPROC_DIR",
    "prometheus_multiproc_dir",
    "PROMETHEUS_DISABLE_CREATED_SERIES",
    "PROMETHEUS_LEGACY_NAME_VALIDATION",
    # ssl: would write the keys of connections to a file
    "SSLKEYLOGFILE",
    # pydantic-settings: would log the values of settings
    "PYDANTIC_SETTINGS_DEBUG",
    # uvicorn: would start several workers; trust forwarded addresses
    "WEB_CONCURRENCY",
    "FORWARDED_ALLOW_IPS",
)
"""Read by libraries, but must not change what the exporter does. SSL_CERT_FILE, SSL_CERT_DIR, OPENSSL_CONF
and the resolver's variables are respected: they configure the system, not a library."""

OPEN_FILES_PER_PROBE = 2  # its connection, and either a second attempt to connect or a lookup of its name
OTHER_OPEN_FILES = 650  # connections to the web port and to the health port at most, listening sockets, files

EXIT_KILLED = 1
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # from malloc.h
_MMAP_THRESHOLD_BYTES = 256 * 1024

_log = logging.getLogger(__name__)


class CommandError(Exception):
    """A command cannot do what is asked; the text is for the operator, one error per line."""

    exit_status = 1


class InvalidArgumentError(CommandError):
    """An argument or option is invalid, or names what does not exist."""

    exit_status = 2


def write_output(text: str) -> bool:
    """Print a command's output; return whether the reader takes more, unlike `head` when it has enough.

    Raises:
        CommandError: it cannot be written, for example to a full disk.
    """
    try:
        print(text, flush=True)  # noqa: T201  the command's output
    except OSError as error:
        # The interpreter flushes once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise CommandError(f"cannot write the output: {error.strerror}") from error
        return False
    return True


def prepare_process() -> None:
    """Make the process independent of how it was started, and have it return freed memory to the system.

    Call it before prometheus-client is imported, and before a thread is started.
    """
    _open_standard_streams()
    _set_malloc_options()
    for name in IGNORED_VARIABLES:
        os.environ.pop(name, None)
    raise_open_file_limit()


def _set_malloc_options() -> None:
    """Have the C library return large blocks to the system, and use one heap for all threads (mallopt(3)).

    glibc raises its threshold for mmap to the size of freed blocks, such as pages of metrics, and keeps what
    is below. A heap for each thread would be nearly all free, and threads seldom allocate at once.
    """
    with suppress(AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)
        mallopt(_M_ARENA_MAX, 1)


def _open_standard_streams() -> None:
    """Open closed standard streams on /dev/null: else a socket would take the place of stderr."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, "r" if name == "stdin" else "w", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # a test may have replaced it
            # A label may contain what a terminal's encoding does not: better escaped than a traceback.
            reconfigure(errors="backslashreplace")


def raise_open_file_limit() -> None:
    """Raise the soft limit of open files to the hard limit; 1,024 is a usual soft limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # a hard limit above the kernel's maximum
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def open_file_warning(max_concurrent_probes: int) -> str | None:
    """Return a sentence if the limit of open files is too low for so many probes, else None."""
    needed = OPEN_FILES_PER_PROBE * max_concurrent_probes + OTHER_OPEN_FILES
    _, available = resource.getrlimit(resource.RLIMIT_NOFILE)
    if available == resource.RLIM_INFINITY or needed <= available:
        return None
    return (
        f"{max_concurrent_probes} concurrent probes may need {needed} open files, "
        f"but the limit is {available}: raise it (LimitNOFILE in systemd, ulimit -n), "
        "or lower FLOW_EXPORTER_MAX_CONCURRENT_PROBES"
    )


def freeze_gc() -> None:
    """Exclude all existing objects from garbage collection: they live as long as the process.

    Looking through them again and again would hold the event loop for milliseconds each time.
    """
    gc.collect()
    gc.freeze()


def environment_warnings(targets: Iterable[Target], max_concurrent_probes: int) -> list[str]:
    """Return what this system lacks to run the configuration, a sentence each."""
    urls = [url or "" for one in targets if not one.ca_file for url in (one.source_url, one.destination_url)]
    warnings = []
    if any(url.startswith("https:") for url in urls) and system_has_no_authorities():
        warnings.append("no certificate authorities on this system: install ca-certificates or set CA_FILE")
    open_files = open_file_warning(max_concurrent_probes)
    return warnings if open_files is None else [*warnings, open_files]


async def run_in_thread(call: Callable[[], T]) -> T:
    """Run a blocking call in a daemon thread, and return its result.

    Unlike `asyncio.to_thread`, a call that hangs, on a dead network file system for example, does not delay
    the exit of the process.
    """
    return await asyncio.wrap_future(start_thread(call))


@asynccontextmanager
async def stop_signals() -> AsyncIterator[asyncio.Event]:
    """Yield an event that SIGTERM, SIGINT or SIGHUP sets; a second SIGTERM or SIGINT exits at once with 1."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_log_unhandled)
    stopping = asyncio.Event()

    def stop(number: signal.Signals) -> None:
        if stopping.is_set():
            os._exit(EXIT_KILLED)
        _log.info("stopping", extra={"signal": number.name})
        stopping.set()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop, number)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # which nohup sets
        loop.add_signal_handler(signal.SIGHUP, stopping.set)  # shells say it more than once
    try:
        yield stopping
    finally:
        for number in (*STOP_SIGNALS, signal.SIGHUP):
            loop.remove_signal_handler(number)


def _log_unhandled(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an exception that no code awaits; asyncio's own text would quote it and its URLs."""
    error = context.get("exception")
    _log.error("unhandled error in event loop", exc_info=error if isinstance(error, BaseException) else None)
