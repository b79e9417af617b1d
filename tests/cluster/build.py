"""Build the API server of the cluster tests from its Go module, and fetch definitions of resources.

`make cluster-test` runs it. All is kept outside the checkout, so that the 20 minutes of CPU are spent once
per version.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

KUBERNETES = os.environ.get("KUBERNETES_VERSION", "1.37.2")
DEFINITIONS_OF = {
    "sigs.k8s.io/gateway-api@v1.6.3": "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
    "k8s.io/autoscaler/vertical-pod-autoscaler@v1.7.3": "deploy/vpa-v1-crd-gen.yaml",
}
"""Go modules, and the file of each that defines resources which the chart can create."""

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pingone-flow-exporter"
APISERVER = CACHE / f"kube-apiserver-{KUBERNETES}"
DEFINITIONS = CACHE / "definitions"

_PACKAGE = "k8s.io/kubernetes/cmd/kube-apiserver"


def main() -> None:
    """Build and fetch what is missing, and print the versions."""
    if missing := [name for name in ("go", "etcd") if shutil.which(name) is None]:
        sys.exit(f"{' and '.join(missing)} not found; install Go 1.26 or newer, and Debian's etcd-server")
    DEFINITIONS.mkdir(parents=True, exist_ok=True)
    if not APISERVER.exists():
        _say(f"building kube-apiserver {KUBERNETES}: about 20 minutes of CPU, once")
        _build(CACHE / f"build-{KUBERNETES}")
    for module, file in DEFINITIONS_OF.items():
        name, _, version = module.partition("@")
        kept = DEFINITIONS / f"{name.replace('/', '-')}-{version}.yaml"
        if not kept.exists():
            shutil.copyfile(Path(_download(module)["Dir"]) / file, kept)
        _say(f"{name} {version}")
    _say(f"kube-apiserver {KUBERNETES}")
    _say(_output("etcd", "--version").splitlines()[0])


def go_mod(upstream: str, version: str) -> str:
    """Return the go.mod of a module that depends on Kubernetes.

    Its own go.mod replaces the staging modules by folders of its repository, which are not in the module;
    each is published as a module of the same minor and patch version, with a major version of 0.

    Args:
        upstream: the go.mod of k8s.io/kubernetes.
        version: of Kubernetes, such as 1.37.2.
    """
    go = re.search(r"^go (\S+)$", upstream, re.MULTILINE)
    staging = re.findall(r"^\s*(?:replace )?(\S+) => \./staging/", upstream, re.MULTILINE)
    published = f"v0.{version.partition('.')[2]}"
    return "\n".join(
        [
            "module cluster",
            f"go {go[1] if go else '1.26'}",
            f"require k8s.io/kubernetes v{version}",
            *(f"replace {name} => {name} {published}" for name in staging),
            "",
        ]
    )


def _build(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    upstream = Path(_download(f"k8s.io/kubernetes@v{KUBERNETES}")["GoMod"]).read_text(encoding="utf-8")
    (directory / "go.mod").write_text(go_mod(upstream, KUBERNETES), encoding="utf-8")
    major, minor, _ = KUBERNETES.split(".")
    version = {"gitVersion": f"v{KUBERNETES}", "gitMajor": major, "gitMinor": minor}
    flags = [
        "-s",
        "-w",
        *(f"-X=k8s.io/component-base/version.{key}={value}" for key, value in version.items()),
    ]
    # Renamed when it is complete, so that a build that was stopped is not taken for the program.
    partial = directory / "kube-apiserver"
    command = ["go", "build", "-mod=mod", "-trimpath", f"-ldflags={' '.join(flags)}", "-o", str(partial)]
    environment = {**os.environ, "CGO_ENABLED": "0"}
    subprocess.run([*command, _PACKAGE], cwd=directory, env=environment, check=True)
    partial.rename(APISERVER)


def _download(module: str) -> dict[str, str]:
    answer: dict[str, str] = json.loads(_output("go", "mod", "download", "-json", module))
    return answer


def _output(*command: str) -> str:
    # In a folder without a go.mod, or the checkout's could have a say.
    return subprocess.run(command, cwd=CACHE, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
