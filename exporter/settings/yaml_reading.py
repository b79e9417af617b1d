"""YAML -> nodes that know their lines.

Built from the parser's events, not by its constructors: nothing is guessed from a scalar, and what only YAML
has (anchors, aliases, merge keys, tags, several documents) is refused where it stands, before it could grow
in memory. Mistakes never quote what is written; the parser's own would.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from exporter.settings.file_content import content
from exporter.settings.written import Place
from exporter.settings.yaml_nodes import Document, Listing, Mapping, Node, Text

_DEEPEST = 20
"""Levels; the deepest right setting is at the fourth."""

_MOST_MISTAKES = 100
"""Beyond it nobody reads on, and a file of nothing but mistakes must not take long."""

_MOST_NODES = 1_000_000
"""Ten thousand targets with every setting have half of them; this many take some seconds."""

_MERGE_KEY = "<<"
# libyaml is 20 times as fast as the parser in Python, which is there where its wheel has none.
_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BREAK = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")
_REFUSED = (
    (yaml.reader.Reader.NON_PRINTABLE, "holds a control character; write it without"),
    # libyaml compares each of them with all before: a file of nothing else would take hours.
    (re.compile(r"(?:^|(?<=[\r\n\x85\u2028\u2029]))%"), "has a directive (%); write without"),
)
"""What the parser is not even shown."""

_QUOTE = "indent by spaces, and put a text with any of : # [ ] { } , & * ! | > % @ ` into quotes"


def read_yaml(path: Path, most: int) -> Document:
    """Read a file that holds one mapping.

    Args:
        path: it is shown by its last part.
        most: bytes that the file may have.

    Raises:
        ValueError: why there is nothing to parse, told of the variable that names the file.
    """
    try:
        text = content(path, most).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("names a file that is not encoded in UTF-8; write it in UTF-8") from None
    return parse_yaml(text, path.name)


def parse_yaml(text: str, file: str) -> Document:
    """Parse one mapping.

    Args:
        text: of the whole file.
        file: what it is called in mistakes.
    """
    builder = _Builder(file)
    try:
        for pattern, message in _REFUSED:
            if found := pattern.search(text):
                builder.stop(message, len(_BREAK.findall(text, 0, found.end())) + 1)
        with closing(_events(text)) as events:
            for event in events:
                builder.take(event)
        builder.end()
    except _StopError:
        builder.document.root = None
    except yaml.YAMLError as error:
        builder.document.root = None
        # Without a path: the parser may be far ahead of what it told us.
        place = Place("", file=file, line=_line(error, text))
        builder.document.mistakes.append(place.mistake(f"is no YAML from here on; {_QUOTE}"))
    return builder.document


def _events(text: str) -> Generator[yaml.Event, None, None]:
    yield from yaml.parse(text, Loader=_LOADER)


def _line(error: yaml.YAMLError, text: str) -> int:
    """Return where an error is: what is never closed is an error behind the end, and told where it began."""
    last = len(_BREAK.findall(text.rstrip()))
    marks = [getattr(error, name, None) for name in ("problem_mark", "context_mark")]
    return 1 + next((mark.line for mark in marks if mark is not None and mark.line <= last), last)


class _StopError(Exception):
    """Nothing behind this can be read."""


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end was not seen yet.

    Args:
        node: what is there so far.
        path: keys that lead to it.
        lines: of the keys so far.
        key: whose value comes next.
        dropped: whether that value is left out.
    """

    node: Listing | Mapping
    path: tuple[str, ...]
    lines: dict[str, int] = field(default_factory=dict)
    key: Text | None = None
    dropped: bool = False


class _Builder:
    """Takes events, one after the other; a stack, for recursion would end where the file says."""

    def __init__(self, file: str) -> None:
        self.document = Document()
        self._file = file
        self._stack: list[_Open] = []
        self._documents = self._nodes = 0

    def take(self, event: yaml.Event) -> None:
        """Take the next event."""
        line = event.start_mark.line + 1 if event.start_mark else 0
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    self.stop("starts a second document; write one, without --- between", line)
            case yaml.AliasEvent():
                self._alias(line)
            case yaml.ScalarEvent():
                self._refuse_marks(event, line)
                self._add(Text(event.value, line, plain=not event.style), line)
            case yaml.MappingStartEvent():
                self._refuse_marks(event, line)
                self._open(Mapping([], line))
            case yaml.SequenceStartEvent():
                self._refuse_marks(event, line)
                self._open(Listing([], line))
            case yaml.CollectionEndEvent():
                self._close()

    def end(self) -> None:
        """Say that there is nothing at all."""
        if not self._documents:
            self.stop("holds no settings; write some, or {} for none", 1)

    def mistake(self, message: str, line: int) -> None:
        """Note what is wrong with the value whose turn it is."""
        found = self.document.mistakes
        found.append(Place("", self._path(), self._file, line).mistake(message))
        if len(found) == _MOST_MISTAKES:
            raise _StopError

    def stop(self, message: str, line: int) -> None:
        """Note what is wrong, and read nothing that follows."""
        self.mistake(message, line)
        raise _StopError

    def _path(self) -> tuple[str, ...]:
        if not self._stack:
            return ()
        top = self._stack[-1]
        return top.path if top.key is None else (*top.path, top.key.value)

    def _alias(self, line: int) -> None:
        if not (self._stack and self._stack[-1].dropped):
            self.mistake("is an alias; write what it stands for, or in quotes if a text is meant", line)
        self._add(None, line)

    def _refuse_marks(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, line: int) -> None:
        if event.anchor is not None:
            self.mistake("has an anchor (&); write without, or in quotes if a text is meant", line)
        if event.tag is not None:
            self.mistake("has a tag (!); write without, or in quotes if a text is meant", line)

    def _open(self, node: Listing | Mapping) -> None:
        if self._stack and isinstance(self._stack[-1].node, Mapping) and self._stack[-1].key is None:
            self.stop("has a list or mapping as a key; write a text", node.line)
        if len(self._stack) == _DEEPEST:
            self.stop(f"is nested deeper than {_DEEPEST} levels; no setting is", node.line)
        self._stack.append(_Open(node, self._path()))

    def _close(self) -> None:
        node = self._stack.pop().node
        self._add(node, node.line)

    def _add(self, node: Node | None, line: int) -> None:
        """Put a node where it belongs; None stands for one that is left out."""
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            self.stop(f"is past {_MOST_NODES} keys and values; write fewer", line)
        if not self._stack:
            if isinstance(node, Mapping):
                self.document.root = node
            else:
                self.stop("is no mapping; write settings, such as targets, or {} for none", line)
            return
        top = self._stack[-1]
        if isinstance(top.node, Listing):
            if node is not None:
                top.node.items.append(node)
        elif top.key is None:
            self._take_key(top, node if isinstance(node, Text) else None, line)
        else:
            if node is not None and not top.dropped:
                top.node.pairs.append((top.key, node))
            top.key, top.dropped = None, False

    def _take_key(self, top: _Open, key: Text | None, line: int) -> None:
        top.key = key or Text("", line)
        top.dropped = key is None
        if key is None:
            return
        if key.plain and key.value == _MERGE_KEY:
            self.mistake("is a merge key; write what it stands for", line)
            top.dropped = True
        elif key.value in top.lines:
            self.mistake(f"is set twice, first in line {top.lines[key.value]}; keep one of them", line)
            top.dropped = True
        else:
            top.lines[key.value] = line
