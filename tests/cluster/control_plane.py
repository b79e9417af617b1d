"""etcd and kube-apiserver on loopback: a cluster without nodes and without controllers."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from cluster.api import Access, Api
from cluster.build import APISERVER
from harness.certificates import Authority
from harness.process import Process
from harness.prometheus import need_tool
from harness.waiting import poll

LOOPBACK = "127.0.0.1"


@contextmanager
def control_plane(directory: Path) -> Iterator[Api]:
    """Run both, and yield an administrator's access.

    Admission is the server's default: Pod Security by the namespaces' labels, service accounts that must
    exist, priority classes. No controller runs: a Deployment makes no pods, and a new namespace has no
    `default` service account unless the test creates it.

    Args:
        directory: for data, certificates and logs.
    """
    etcd_url = f"http://{LOOPBACK}:{_free_port()}"
    access, server = _server(directory, etcd_url)
    with ExitStack() as stack:
        stack.enter_context(_etcd(directory, etcd_url))
        process = stack.enter_context(server)
        api = stack.enter_context(closing(Api(access)))

        def is_ready() -> bool:
            if process.exit_code is not None:
                raise AssertionError(process.tail())
            return api.is_ready()

        poll(is_ready, bool, what="the API server", describe=lambda _: process.tail())
        yield api


def _etcd(directory: Path, url: str) -> Process:
    command = [
        need_tool("etcd"),
        f"--data-dir={directory / 'etcd-data'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls=http://{LOOPBACK}:0",
    ]
    return Process(command, directory=directory / "etcd", logs=directory / "etcd-logs", environment={})


def _server(directory: Path, etcd_url: str) -> tuple[Access, Process]:
    if not APISERVER.exists():
        pytest.fail(f"there is no {APISERVER}: `make cluster-test` builds it", pytrace=False)
    authority, port = Authority(directory), _free_port()
    certificate = authority.client(LOOPBACK)  # trustme's are good for servers, too
    access = Access(
        url=f"https://{LOOPBACK}:{port}", ca_file=authority.ca_file, token=secrets.token_urlsafe()
    )
    tokens = directory / "tokens.csv"
    tokens.write_text(f"{access.token},administrator,1,system:masters\n", encoding="utf-8")
    command = [
        str(APISERVER),
        f"--etcd-servers={etcd_url}",
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        "--endpoint-reconciler-type=none",
        f"--secure-port={port}",
        f"--cert-dir={directory / 'generated'}",
        f"--tls-cert-file={certificate.certificate}",
        f"--tls-private-key-file={certificate.key}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.0.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={certificate.key}",
        f"--service-account-signing-key-file={certificate.key}",
    ]
    where = directory / "apiserver"
    return access, Process(command, directory=where, logs=directory / "apiserver-logs", environment={})


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
