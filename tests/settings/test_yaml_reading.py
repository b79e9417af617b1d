"""YAML as texts with lines: nothing is guessed, nothing is followed, no mistake quotes what is written."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.settings import yaml_reading
from exporter.settings.yaml_nodes import Listing, Mapping, Node, Text
from exporter.settings.yaml_reading import parse_yaml, read_yaml

NO_YAML = (
    "is no YAML from here on; indent by spaces, and put a text with any of "
    ": # [ ] { } , & * ! | > % @ ` into quotes"
)
MEANT = "or in quotes if a text is meant"


def plain(node: Node | None) -> object:
    match node:
        case Mapping():
            return {key.value: plain(value) for key, value in node.pairs}
        case Listing():
            return [plain(item) for item in node.items]
        case Text():
            return node.value
    return None


def told(text: str) -> list[str]:
    return [str(mistake) for mistake in parse_yaml(text, "flows.yaml").mistakes]


def test_every_node_knows_its_line() -> None:
    document = parse_yaml("# about\na: 1\nb:\n  - x\n  - 'y'\n\nc: {d:\n  e}\n", "flows.yaml")
    assert document.mistakes == []
    assert document.root == Mapping(
        [
            (Text("a", 2), Text("1", 2)),
            (Text("b", 3), Listing([Text("x", 4), Text("y", 5, plain=False)], 4)),
            (Text("c", 7), Mapping([(Text("d", 7), Text("e", 8))], 7)),
        ],
        2,
    )


@pytest.mark.parametrize(
    "written", ["NO", "on", "0123", "0x1F", "1_000", "1e3", "1:30", "2026-11-25", ".inf", "=", "1m", ":9988"]
)
def test_a_scalar_is_what_was_written_whatever_yaml_reads_into_it(written: str) -> None:
    assert plain(parse_yaml(f"{written}: {written}", "f").root) == {written: written}


@pytest.mark.parametrize(
    ("written", "null"), [("~", True), ("null", True), ("NULL", True), ("", False), ("'null'", False)]
)
def test_only_a_null_without_quotes_is_null(written: str, null: bool) -> None:  # noqa: FBT001  a table's column
    root = parse_yaml(f"a: {written}", "f").root
    assert root is not None
    ((_, value),) = root.pairs
    assert isinstance(value, Text)
    assert value.is_null is null


@pytest.mark.parametrize(
    ("text", "mistakes", "left"),
    [
        ("a: &x 1", [f"a in flows.yaml line 1: has an anchor (&); write without, {MEANT}"], {"a": "1"}),
        (
            "a: 1\nb: [*x, 2]",
            [f"b in flows.yaml line 2: is an alias; write what it stands for, {MEANT}"],
            {"a": "1", "b": ["2"]},
        ),
        (
            "a:\n  <<: *x\n  b: 1",
            ["a.<< in flows.yaml line 2: is a merge key; write what it stands for"],
            {"a": {"b": "1"}},
        ),
        ("a: '<<'\n'<<': 1", [], {"a": "<<", "<<": "1"}),
        (
            "a: !!binary eA==",
            [f"a in flows.yaml line 1: has a tag (!); write without, {MEANT}"],
            {"a": "eA=="},
        ),
        (
            "a: !!python/object/apply:os.abort []",
            [f"a in flows.yaml line 1: has a tag (!); write without, {MEANT}"],
            {"a": []},
        ),
        ("! a: 1", [f"flows.yaml line 1: has a tag (!); write without, {MEANT}"], {"a": "1"}),
        (
            "a:\n  b: 1\n  c: 2\n  b: {x: 3}",
            ["a.b in flows.yaml line 4: is set twice, first in line 2; keep one of them"],
            {"a": {"b": "1", "c": "2"}},
        ),
        (
            "*x : 1\nb: 2",
            [f"flows.yaml line 1: is an alias; write what it stands for, {MEANT}"],
            {"b": "2"},
        ),
    ],
)
def test_a_trick_is_told_and_hides_nothing_behind_it(
    text: str, mistakes: list[str], left: dict[str, object]
) -> None:
    assert told(text) == mistakes
    assert plain(parse_yaml(text, "flows.yaml").root) == left


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "flows.yaml line 1: holds no settings; write some, or {} for none"),
        ("# nothing\n", "flows.yaml line 1: holds no settings; write some, or {} for none"),
        ("- a", "flows.yaml line 1: is no mapping; write settings, such as targets, or {} for none"),
        ("\ns3cr3t", "flows.yaml line 2: is no mapping; write settings, such as targets, or {} for none"),
        ("~", "flows.yaml line 1: is no mapping; write settings, such as targets, or {} for none"),
        ("a: 1\n---\na: 2", "flows.yaml line 2: starts a second document; write one, without --- between"),
        ("a:\n  ? [1]\n  : 2", "a in flows.yaml line 2: has a list or mapping as a key; write a text"),
        ("a: 1\n\x07", "flows.yaml line 2: holds a control character; write it without"),
        ("%YAML 1.1\n---\na: 1", "flows.yaml line 1: has a directive (%); write without"),
        ("a: b: s3cr3t", f"flows.yaml line 1: {NO_YAML}"),
        ("a: 1\n\tb: s3cr3t", f"flows.yaml line 2: {NO_YAML}"),
        ("a: 1\nb: @s3cr3t", f"flows.yaml line 2: {NO_YAML}"),
        ('a: "\\s3cr3t"', f"flows.yaml line 1: {NO_YAML}"),
        ("a: [::1]:9988", f"flows.yaml line 1: {NO_YAML}"),
        ("a: 1\nb: 's3cr3t\nc: 2\n", f"flows.yaml line 2: {NO_YAML}"),
    ],
)
def test_what_ends_the_reading_is_told_with_its_line_and_not_shown(text: str, message: str) -> None:
    document = parse_yaml(text, "flows.yaml")
    assert [str(mistake) for mistake in document.mistakes] == [message]
    assert document.root is None


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "- " * 100_000, "{a: " * 100_000, "a:\n - " + "- " * 100_000]
)
def test_deep_nesting_ends_at_the_twentieth_level(text: str) -> None:
    (line,) = told(text)
    assert line.endswith(": is nested deeper than 20 levels; no setting is")


def test_a_file_of_mistakes_is_read_up_to_the_hundredth() -> None:
    document = parse_yaml("a: 1\n" * 100_000, "f")
    assert len(document.mistakes) == 100
    assert document.root is None


def test_a_file_of_endless_nodes_is_read_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_reading, "_MOST_NODES", 4)
    assert told("a: [1]\n") == []
    assert told("a: [1,\n2, 3, 4]\n") == ["a in flows.yaml line 2: is past 4 keys and values; write fewer"]


def test_a_file_is_read_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\xef\xbb\xbfa: \xc3\xa9")
    assert plain(read_yaml(tmp_path / "f", 1024).root) == {"a": "é"}


@pytest.mark.parametrize("raw", [b"\xff\xfea\x00", b"a: \xe9"])
def test_a_file_that_is_not_utf_8_is_told(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "f").write_bytes(raw)
    with pytest.raises(ValueError, match=r"^names a file that is not encoded in UTF-8; write it in UTF-8$"):
        read_yaml(tmp_path / "f", 1024)


def test_without_libyaml_the_parser_in_python_does_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: NO\nb: [1, 'x']\nc: {d: &e 2, f: *e}\n<<: 3\n"
    by_libyaml = parse_yaml(text, "f")
    monkeypatch.setattr(yaml_reading, "_LOADER", yaml.SafeLoader)
    assert parse_yaml(text, "f") == by_libyaml


SIGNS = st.text(st.sampled_from("ab:-?[]{},&*!|>%@`'\"#~<\\ \n\t\0\x85\u2028\ufeffé"), max_size=40)


@given(SIGNS)
def test_any_text_is_a_mapping_or_a_mistake_by_either_parser(text: str) -> None:
    for loader in (yaml.CSafeLoader, yaml.SafeLoader):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(yaml_reading, "_LOADER", loader)
            document = parse_yaml(text, "f")
        assert document.mistakes or document.root is not None


@given(
    st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
)
def test_what_a_yaml_library_writes_is_read_back(value: object) -> None:
    text = yaml.safe_dump({"value": value}, allow_unicode=True, default_style='"')
    assert plain(parse_yaml(text.replace("!!map ", ""), "f").root) == {"value": value}
