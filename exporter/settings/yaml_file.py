"""Read a YAML file into raw settings, from the parser's events: a scalar stays the text that is written.

So `NO` is Norway and `0123` keeps its zero. Anchors, aliases, merge keys, tags and further documents are
rejected before they could use up memory. Errors never quote the file; the parser's own would.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from exporter.files import describe_os_error, read_bounded
from exporter.settings.provenance import Keys, Location, RawSettings, encodable

MAX_DEPTH = 20
MAX_ERRORS = 100
MAX_EVENTS = 1_000_000
"""Ten thousand targets with every setting have half as many; this many take some seconds."""

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_LINE_BREAK = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")
_SYNTAX_ERROR = (
    "YAML syntax error; indent with spaces and quote strings that contain any of "
    ": # [ ] { } , & * ! | > % @ `"
)
_REJECTED = (
    (yaml.reader.Reader.NON_PRINTABLE, "contains a control character; remove it"),
    # libyaml compares each directive with all before: a file of nothing else would take hours.
    (re.compile(r"(?:^|(?<=[\r\n\x85\u2028\u2029]))%"), "contains a directive (%); remove it"),
)
_OR_QUOTE = "or quote it if it is text"


def read_yaml_file(
    path: Path, named_at: Location, max_bytes: int, fold: Callable[[str], str] = encodable
) -> RawSettings:
    """Read a file that holds one mapping.

    Args:
        path: the file.
        named_at: where the operator names it, for errors about the file itself.
        max_bytes: its size at most.
        fold: maps a key to the name in the path of a setting.
    """
    try:
        text = read_bounded(path, max_bytes).decode("utf-8-sig")
    except UnicodeDecodeError:
        message = f"file not encoded in UTF-8: {path}"
    except OSError as error:
        message = describe_os_error(error, path, max_bytes)
    else:
        return _Reader(text, path.name, fold).read()
    return RawSettings(errors=[named_at.error(message)])


def _error_line(error: Exception, text: str) -> int:
    """Return the line of a syntax error; for something that is never closed, the line where it begins."""
    last = len(_LINE_BREAK.findall(text.rstrip()))
    marks = [getattr(error, name, None) for name in ("problem_mark", "context_mark")]
    return 1 + next((mark.line for mark in marks if mark is not None and mark.line <= last), last)


class _StopError(Exception):
    """The rest of the file cannot be read, for a reason that is recorded."""


class _Reader:
    """Reads the events of one file, by recursive descent of bounded depth."""

    def __init__(self, text: str, file: str, fold: Callable[[str], str]) -> None:
        self._text = text
        self._fold = fold
        self._file = Location(file=file)
        self._settings = RawSettings()
        self._depth = 0  # of open lists and mappings
        self._events = self._checked_events()

    def read(self) -> RawSettings:
        """Return the settings of the whole file."""
        try:
            self._read_document()
        except _StopError:
            self._settings.complete = False
        except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two: no such character
            self._settings.complete = False
            self._error(_error_line(error, self._text), _SYNTAX_ERROR)
        return self._settings

    def _checked_events(self) -> Iterator[yaml.Event]:
        """Yield the parser's events; record what only YAML has, and stop at what is too much."""
        for pattern, message in _REJECTED:  # before the parser sees it
            if found := pattern.search(self._text):
                raise self._stop(len(_LINE_BREAK.findall(self._text, 0, found.end())) + 1, message)
        # libyaml is 20 times as fast as the parser in Python, which remains where PyYAML's wheel lacks it.
        loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        for number, event in enumerate(yaml.parse(self._text, Loader=loader)):
            self._depth += isinstance(event, yaml.CollectionStartEvent)
            self._depth -= isinstance(event, yaml.CollectionEndEvent)
            if self._depth > MAX_DEPTH:
                raise self._stop(_line(event), f"nested deeper than {MAX_DEPTH} levels")
            if number > MAX_EVENTS:
                raise self._stop(_line(event), "too many keys and values")
            if len(self._settings.errors) >= MAX_ERRORS:
                raise _StopError
            if isinstance(event, yaml.AliasEvent):
                self._error(_line(event), f"alias (*) not allowed; write out its value, {_OR_QUOTE}")
            elif getattr(event, "anchor", None) is not None:
                self._error(_line(event), f"anchor (&) not allowed; remove it, {_OR_QUOTE}")
            if getattr(event, "tag", None) is not None:
                self._error(_line(event), f"tag (!) not allowed; remove it, {_OR_QUOTE}")
            yield event

    def _read_document(self) -> None:
        next(self._events)  # the start of the stream
        if not isinstance(next(self._events), yaml.DocumentStartEvent):
            raise self._stop(1, "no settings; use {} for an empty file")
        if not isinstance(event := next(self._events), yaml.MappingStartEvent):
            raise self._stop(_line(event), "expected a mapping; use {} for an empty file")
        self._read_mapping((), self._file)
        next(self._events)  # the end of the document
        if isinstance(event := next(self._events), yaml.DocumentStartEvent):
            raise self._stop(_line(event), "second document not allowed; remove the --- before it")

    def _error(self, line: int, message: str) -> None:
        self._settings.error(replace(self._file, line=line), message)

    def _stop(self, line: int, message: str) -> _StopError:
        self._error(line, message)
        return _StopError()

    def _read_mapping(self, path: Keys, location: Location) -> None:
        while not isinstance(key := next(self._events), yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent):
                raise self._stop(_line(key), "expected a string as key")
            self._read_value((*path, self._fold(key.value)), location.key(key.value, _line(key)))

    def _read_value(self, path: Keys, here: Location) -> None:
        event = next(self._events)
        if isinstance(event, yaml.ScalarEvent):
            self._settings.add(path, _text(event), here)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._settings.add(path, self._read_list(path, here), here)
        elif isinstance(event, yaml.MappingStartEvent):
            if self._settings.add(path, {}, here):
                self._read_mapping(path, here)
            else:
                self._skip_collection()

    def _read_list(self, path: Keys, here: Location) -> list[str | None]:
        items: list[str | None] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            at = replace(here, line=_line(event))
            self._settings.items[(*path, str(len(items)))] = at
            if isinstance(event, yaml.ScalarEvent):
                items.append(_text(event))
            elif isinstance(event, yaml.CollectionStartEvent):
                self._settings.error(at, "expected a list of single values")
                self._skip_collection()
        return items

    def _skip_collection(self) -> None:
        """Read the rest of a list or mapping that is left out."""
        depth = self._depth
        while self._depth >= depth:
            next(self._events)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


def _text(event: yaml.ScalarEvent) -> str | None:
    return None if not event.style and event.value in _NULLS else event.value
