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

from exporter.files import read_bounded
from exporter.settings.provenance import Keys, Location, RawSettings, encodable

MAX_DEPTH = 20
MAX_ERRORS = 100
MAX_EVENTS = 1_000_000
"""Ten thousand targets with every setting have half as many; this many take some seconds."""

_MERGE_KEY = "<<"
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
_ALIAS = f"alias (*); write what it stands for, {_OR_QUOTE}"
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"


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
    except ValueError as error:
        message = str(error)
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
        # libyaml is 20 times as fast as the parser in Python, which remains where PyYAML's wheel lacks it.
        loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self._events: Iterator[yaml.Event] = iter(yaml.parse(text, Loader=loader))
        self._text = text
        self._top = Location(file=file)
        self._fold = fold
        self._count = 0
        self._settings = RawSettings()

    def read(self) -> RawSettings:
        """Return the settings of the whole file."""
        try:
            self._read_document()
        except _StopError:
            self._settings.complete = False
        except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two: no such character
            self._settings.complete = False
            at = replace(self._top, line=_error_line(error, self._text))
            self._settings.error(at, _SYNTAX_ERROR)
        return self._settings

    def _read_document(self) -> None:
        for pattern, message in _REJECTED:  # before the parser sees it
            if found := pattern.search(self._text):
                line = len(_LINE_BREAK.findall(self._text, 0, found.end())) + 1
                raise self._stop(replace(self._top, line=line), message)
        next(self._events)  # the start of the stream
        event = next(self._events)
        if not isinstance(event, yaml.DocumentStartEvent):
            raise self._stop(replace(self._top, line=1), "no settings; use {} for an empty file")
        event = self._next(self._top)
        if not isinstance(event, yaml.MappingStartEvent):
            raise self._stop(_at(self._top, event), "expected a mapping; use {} for an empty file")
        self._check_marks(event, self._top)
        self._read_mapping((), self._top)
        next(self._events)  # the end of the document
        event = next(self._events)
        if isinstance(event, yaml.DocumentStartEvent):
            raise self._stop(_at(self._top, event), "second document; remove the --- before it")

    def _stop(self, location: Location, message: str) -> _StopError:
        self._settings.error(location, message)
        return _StopError()

    def _read_mapping(self, path: Keys, location: Location) -> None:
        while not isinstance(event := self._next(location), yaml.MappingEndEvent):
            at = _at(location, event)
            if isinstance(event, yaml.CollectionStartEvent):
                raise self._stop(at, "expected a string as key")
            if not isinstance(event, yaml.ScalarEvent):
                self._settings.error(at, _ALIAS)
                self._skip(self._next(location), location)
                continue
            self._check_marks(event, at)
            here = location.key(event.value, at.line)
            if event.value == _MERGE_KEY and not event.style:
                self._settings.error(here, "merge key (<<); write what it stands for")
                self._skip(self._next(here), here)
            else:
                self._read_value((*path, self._fold(event.value)), self._next(here), here)

    def _read_value(self, path: Keys, event: yaml.Event, here: Location) -> None:
        self._check_marks(event, here)
        if isinstance(event, yaml.AliasEvent):
            self._settings.error(here, _ALIAS)
        elif isinstance(event, yaml.ScalarEvent):
            self._settings.add(path, _text(event), here)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._settings.add(path, self._read_list(path, here), here)
        elif len(path) >= MAX_DEPTH:
            raise self._stop(_at(here, event), _TOO_DEEP)
        elif self._settings.add_group(path, here):
            self._read_mapping(path, here)
        else:
            self._skip(event, here)

    def _read_list(self, path: Keys, here: Location) -> list[str | None]:
        items: list[str | None] = []
        while not isinstance(event := self._next(here), yaml.SequenceEndEvent):
            at = _at(here, event)
            self._settings.items[(*path, str(len(items)))] = at
            if isinstance(event, yaml.ScalarEvent):
                self._check_marks(event, at)
                items.append(_text(event))
            elif isinstance(event, yaml.AliasEvent):
                self._settings.error(at, _ALIAS)
            else:
                self._settings.error(at, "expected a list of single values")
                self._skip(event, here)
        return items

    def _skip(self, event: yaml.Event, here: Location) -> None:
        """Read the rest of a value that is left out."""
        depth = int(isinstance(event, yaml.CollectionStartEvent))
        while depth:
            event = self._next(here)
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise self._stop(_at(here, event), _TOO_DEEP)

    def _next(self, here: Location) -> yaml.Event:
        event = next(self._events)
        self._count += 1
        if self._count > MAX_EVENTS:
            raise self._stop(_at(here, event), "too many keys and values")
        if len(self._settings.errors) >= MAX_ERRORS:
            raise _StopError
        return event

    def _check_marks(self, event: yaml.Event, at: Location) -> None:
        if not isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            return
        if event.anchor is not None:
            self._settings.error(at, f"anchor (&); remove it, {_OR_QUOTE}")
        if event.tag is not None:
            self._settings.error(at, f"tag (!); remove it, {_OR_QUOTE}")


def _at(location: Location, event: yaml.Event) -> Location:
    """Return a location with the line of an event."""
    return replace(location, line=event.start_mark.line + 1 if event.start_mark else 0)


def _text(event: yaml.ScalarEvent) -> str | None:
    return None if not event.style and event.value in _NULLS else event.value
