"""docs/install.md works: the wheel outside of the checkout, and the systemd unit."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pydantic
import pytest
from harness.daemon import COMMAND, Daemon, run_command
from harness.variables import target_variables
from settings_reference import reference

from exporter import __version__
from exporter.demo.prometheus import rule_files
from exporter.durations import parse_duration
from exporter.settings import load

ROOT = Path(__file__).parent.parent
UNIT = ROOT / "docs" / "systemd" / "pingone-flow-exporter.service"
ENVIRONMENT = ROOT / "docs" / "systemd" / "environment.example"
INSTALL = ROOT / "docs" / "install.md"
WORST = 1.5
"""Of systemd's ten, how exposed the service may be. What is left is the network, and /proc/stat."""


def unit() -> dict[str, list[str]]:
    """Return the values of each key, in their order."""
    values: dict[str, list[str]] = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            values.setdefault(key, []).append(value)
    return values


def example(*, everything: bool = False) -> dict[str, str]:
    """Return the variables of the example; also those that are commented out, if `everything`."""
    pattern = r"^#?(FLOW_EXPORTER_\w+)=(.*)$" if everything else r"^(\w+)=(.*)$"
    return dict(re.findall(pattern, ENVIRONMENT.read_text(encoding="utf-8"), re.MULTILINE))


def test_the_unit_starts_the_command_that_is_installed() -> None:
    (start,) = unit()["ExecStart"]
    program, *arguments = start.split()
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert Path(program).name in scripts
    assert arguments == ["run"]
    assert f"PIPX_BIN_DIR={Path(program).parent} " in INSTALL.read_text(encoding="utf-8")


def test_every_variable_that_is_named_exists() -> None:
    known = reference()
    texts = [path.read_text(encoding="utf-8") for path in (UNIT, ENVIRONMENT, INSTALL)]
    named = {name for text in texts for name in re.findall(r"FLOW_EXPORTER_[A-Z_]*[A-Z]", text)}
    named |= {f"FLOW_EXPORTER_{name}" for name in re.findall(r"secrets/([A-Z_]+)", texts[2])}
    assert {"FLOW_EXPORTER_SECRETS_DIR", "FLOW_EXPORTER_TARGETS__EMEA__PROXY_URL"} <= named
    for name in named:
        general = re.sub("__LABELS__[A-Z]+$", "__LABELS__<KEY>", re.sub("__EMEA__", "__<NAME>__", name))
        assert f"`{general}`" in known, name


def test_the_example_is_valid(tmp_path: Path) -> None:
    assert [target.name for target in load(example(), tmp_path).targets] == ["emea"]
    assert example(everything=True).keys() > example().keys()


def test_secrets_are_handed_over_where_the_exporter_looks_for_them() -> None:
    """Each file of a directory becomes `ID_NAME`: with our prefix as the ID, the name of a variable."""
    (credential,) = unit()["LoadCredential"]
    assert credential.partition(":")[0] == "FLOW_EXPORTER"
    assert unit()["Environment"] == ["FLOW_EXPORTER_SECRETS_DIR=%d"]


def test_it_is_not_killed_before_its_grace_is_over(tmp_path: Path) -> None:
    grace = load(example(), tmp_path).shutdown_grace
    (stop,) = unit()["TimeoutStopSec"]
    assert parse_duration(stop) == grace + 10


def test_an_invalid_configuration_is_not_retried() -> None:
    assert (unit()["Restart"], unit()["RestartPreventExitStatus"]) == (["on-failure"], ["2"])


@pytest.fixture
def analyzed(tmp_path: Path) -> list[str]:
    """The program that looks at units, and a copy of ours that starts the command where it is here."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed; on Debian: apt-get install systemd")
    copy = tmp_path / UNIT.name
    (start,) = unit()["ExecStart"]
    text = UNIT.read_text(encoding="utf-8").replace(start.split()[0], COMMAND[0])
    copy.write_text(text, encoding="utf-8")
    return [program, str(copy)]


def test_systemd_finds_nothing_wrong_with_the_unit(analyzed: list[str]) -> None:
    program, copy = analyzed
    done = subprocess.run(
        [program, "verify", "--man=no", copy], capture_output=True, encoding="utf-8", check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_finds_the_service_well_confined(analyzed: list[str]) -> None:
    program, copy = analyzed
    done = subprocess.run(
        [program, "security", "--offline=true", "--no-pager", copy],
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    exposure = re.search(r"Overall exposure level .*: (\d+\.\d)", done.stdout)
    assert exposure, done.stdout + done.stderr
    assert float(exposure[1]) <= WORST


CONFINED = str(ROOT / "tests" / "harness" / "confined.py")
TRIES_WHAT_IS_TAKEN_AWAY = """
import mmap, os, socket

for name, attempt in {
    "writable code": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC),
    "another family": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "a privileged call": lambda: os.chroot("/"),
}.items():
    try:
        attempt()
    except OSError:
        continue
    print(name)
"""


@pytest.fixture
def confined(analyzed: list[str]) -> list[str]:  # noqa: ARG001  the sets are known to systemd-analyze only
    """What runs a command under the unit's filters."""
    command = [sys.executable, CONFINED, str(UNIT)]
    tried = subprocess.run(
        [*command, sys.executable, "-c", TRIES_WHAT_IS_TAKEN_AWAY],
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    if tried.returncode != 0:
        pytest.skip("no seccomp filter may be loaded here, or there is no libseccomp.so.2")
    assert tried.stdout == ""
    return command


@pytest.mark.e2e
def test_the_exporter_lives_with_what_the_unit_leaves_it(confined: list[str], tmp_path: Path) -> None:
    """The demo has a web port, TLS, name resolution, threads, and every library's compiled part."""
    shown = run_command("demo", "--duration", "8s", cwd=tmp_path, command=[*confined, *COMMAND])
    assert (shown.returncode, shown.stderr) == (0, "")
    assert re.search(r"^nordics_workforce: [1-9]", shown.stdout, re.MULTILINE)
    hashed = "import bcrypt; print(bcrypt.checkpw(b'x', bcrypt.hashpw(b'x', bcrypt.gensalt(4))))"
    login = subprocess.run(
        [*confined, sys.executable, "-c", hashed], capture_output=True, text=True, check=False
    )
    assert (login.returncode, login.stdout) == (0, "True\n")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Install a wheel of the tree into an environment of its own; libraries are those of the tests."""
    directory = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-deps"]
    wheel = [*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", str(directory), str(ROOT)]
    subprocess.run(wheel, check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(directory / "venv")], check=True)
    python = directory / "venv" / "bin" / "python"
    (built,) = directory.glob("*.whl")
    subprocess.run([*pip, "--python", str(python), "install", *offline, str(built)], check=True)
    own = sysconfig.get_path("purelib", vars={"base": str(directory / "venv")})
    # What is named in such a file is found, and its own such files are not: the checkout stays unknown.
    libraries = Path(pydantic.__file__).parents[1]
    (Path(own) / "libraries.pth").write_text(f"{libraries}\n", encoding="utf-8")
    return (str(python.with_name("pingone-flow-exporter")),)


@pytest.mark.e2e
def test_the_wheel_alone_says_its_version_and_checks_a_configuration(
    installed: tuple[str, ...], tmp_path: Path
) -> None:
    said = run_command("--version", cwd=tmp_path, command=installed)
    assert (said.returncode, said.stdout) == (0, f"pingone-flow-exporter {__version__}\n")
    checked = run_command("check-config", cwd=tmp_path, env=example(), command=installed)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.e2e
def test_the_wheel_alone_shows_the_demo(installed: tuple[str, ...], tmp_path: Path) -> None:
    shown = run_command("demo", "--duration", "1s", cwd=tmp_path, command=installed)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "emea_workforce: " in shown.stdout
    (built,) = Path(installed[0]).parents[2].glob("*.whl")
    with zipfile.ZipFile(built) as wheel:
        rules = {name for name in wheel.namelist() if name.startswith("exporter/demo/rules/")}
    assert {Path(name).name for name in rules} == {file.name for file in rule_files()}


@pytest.mark.e2e
def test_the_wheel_alone_serves_the_page_and_the_runbooks(installed: tuple[str, ...], tmp_path: Path) -> None:
    variables = target_variables("emea", "http://127.0.0.1:9")
    daemon = Daemon(variables, directory=tmp_path / "work", logs=tmp_path / "logs", command=installed)
    with daemon:
        assert daemon.get("/").status_code == 200
        for runbook in (ROOT / "docs" / "runbooks").glob("PingOne*.md"):
            assert daemon.get(f"/runbooks/{runbook.stem}").status_code == 200
