"""docs/web-configuration.md: its example is one, and it is not silent about any key."""

from pathlib import Path

from exporter.settings.web_file import read_web_file
from exporter.settings.web_tls import KEYS

PAGE = (Path(__file__).parents[2] / "docs" / "web-configuration.md").read_text(encoding="utf-8")


def test_every_key_of_tls_is_told_of() -> None:
    assert [key for key in KEYS if f"`{key}`" not in PAGE] == []


def test_the_example_is_right_but_for_files_that_nobody_has(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text(PAGE.partition("```yaml\n")[2].partition("```")[0])

    security, mistakes = read_web_file(tmp_path / "web.yml")

    ((location, message),) = [(mistake.location, mistake.message) for mistake in mistakes]
    assert location == "tls_server_config.cert_file in web.yml line 2"
    assert message.startswith("names a file that does not exist")
    assert list(security.users) == ["prometheus"]
