"""A real Kubernetes control plane on this machine, with nodes that run pods as processes.

etcd, kube-apiserver, kube-controller-manager and kube-scheduler are the real programs; the kubelet
is process_kubelet.py. The programs are looked for in JINSUAN_KUBE_BIN, then in a tar file among the
shared engines, unpacked once into the cache; deploy/build-kubernetes.sh makes them from Debian's
source package. Every process is ours, dies with us, and is ended by its own number.
"""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from jinsuan.agent.engines.embedded import VirtualNode
from jinsuan.agent.engines.errors import EngineRefused, EngineUnreachable
from jinsuan.agent.engines.kubernetes import Access
from jinsuan.agent.engines.kubernetes.client import KubeClient, NotThere

ROOT = Path(__file__).parents[2]
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
PATIENCE_SECONDS = 90
ORDER = ("etcd", "apiserver", "controllers", "scheduler", "kubelet")
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def programs() -> Path | str:
    """The folder of the servers, or why there is none."""
    if shutil.which("etcd") is None:
        return "etcd is not installed (Debian: etcd-server)"
    given = os.environ.get("JINSUAN_KUBE_BIN")
    if given:
        folder = Path(given)
        missing = [name for name in PROGRAMS if not (folder / name).is_file()]
        return f"JINSUAN_KUBE_BIN has no {', '.join(missing)}" if missing else folder
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jinsuan/kubernetes"
    if all((cache / name).is_file() for name in PROGRAMS):
        return cache
    found = sorted((ROOT.parent / "shared" / "engines").glob("kube-*-linux-amd64.tar.xz"))
    if not found or os.uname().machine != "x86_64":
        return "no Kubernetes servers: set JINSUAN_KUBE_BIN or run deploy/build-kubernetes.sh"
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent) as half:
        with tarfile.open(found[-1]) as tar:
            tar.extractall(half, filter="data")
        cache.mkdir(exist_ok=True)
        for name in PROGRAMS:
            next(Path(half).rglob(name)).replace(cache / name)
    return cache


class KubeCentre:
    """One centre. A context: inside it the servers run and every node is ready.

    Args:
        base_port: the API server's; the next five are etcd's two, the scheduler's, the
            controllers' and the kubelet's.
    """

    def __init__(
        self, folder: Path, base_port: int, nodes: Sequence[VirtualNode], servers: Path
    ) -> None:
        self.folder, self.base_port, self.nodes = folder, base_port, tuple(nodes)
        self._servers = servers
        self.url = f"https://127.0.0.1:{base_port}"
        self._token, self.agent_token = secrets.token_hex(16), secrets.token_hex(16)
        self.kubeconfig = folder / "kubeconfig"
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write_files()
            for name in ORDER:
                self.start(name)
            self._await_nodes()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ── processes ─────────────────────────────────────────────────────────────────────────────

    def start(self, name: str) -> None:
        """Start one of ORDER; the API server is waited for."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                self._command(name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        if name == "etcd":
            _await(lambda: _listens(self.base_port + 1), "etcd", self.folder)
        if name == "apiserver":
            _await(self._is_ready, "the API server", self.folder)
            self._write_kubeconfig(self.access)

    def kill(self, name: str) -> None:
        """End one at once, without a chance to tidy up."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def close(self) -> None:
        """End everything, the kubelet with its pods first."""
        for name in reversed(ORDER):
            process = self._running.get(name)
            if process is not None and process.poll() is None:
                process.terminate()
        for process in self._running.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if f"JINSUAN_KUBELET={self.folder}\0".encode() in path.read_bytes() + b"\0":
                    os.kill(int(path.parent.name), signal.SIGKILL)
            except OSError:
                continue

    def version(self) -> str:
        return subprocess.run(
            [self._servers / "kube-apiserver", "--version"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    # ── access ────────────────────────────────────────────────────────────────────────────────

    @property
    def access(self) -> Access:
        return Access(
            server=self.url,
            ca=(self.folder / "certs" / "apiserver.crt").read_text(),
            token=self._token,
        )

    def client(self) -> KubeClient:
        return KubeClient(self.access)

    def make_namespace(self, name: str) -> None:
        with closing(self.client()) as client:
            client.post("/api/v1/namespaces", {"kind": "Namespace", "metadata": {"name": name}})

    # ── files and commands ────────────────────────────────────────────────────────────────────

    def _command(self, name: str) -> list[str]:
        at, port, bin_ = self.folder, self.base_port, self._servers
        client, peer = f"http://127.0.0.1:{port + 1}", f"http://127.0.0.1:{port + 2}"
        local = [f"--cert-dir={at}/certs", "--bind-address=127.0.0.1", "--profiling=false"]
        quick = [
            *(f"--kubeconfig={self.kubeconfig}", "--port=0", "--leader-elect=false"),
            *("--kube-api-qps=500", "--kube-api-burst=1000"),
        ]
        return {
            "etcd": [
                *("etcd", f"--data-dir={at}/etcd", "--unsafe-no-fsync", "--log-level=warn"),
                *(f"--listen-client-urls={client}", f"--advertise-client-urls={client}"),
                *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"),
                f"--initial-cluster=default={peer}",
            ],
            "apiserver": [
                *(f"{bin_}/kube-apiserver", f"--etcd-servers={client}", f"--secure-port={port}"),
                *local,
                *(f"--token-auth-file={at}/tokens.csv", "--authorization-mode=RBAC"),
                *("--service-cluster-ip-range=10.0.0.0/24", "--endpoint-reconciler-type=none"),
                "--disable-admission-plugins=ServiceAccount",
                *(
                    f"--service-account-key-file={at}/sa.pem",
                    "--service-account-issuer=https://test",
                ),
                f"--service-account-signing-key-file={at}/sa.pem",
            ],
            "controllers": [
                *(f"{bin_}/kube-controller-manager", f"--secure-port={port + 4}", *local, *quick),
                f"--service-account-private-key-file={at}/sa.pem",
                "--controllers=job,garbagecollector,namespace,nodelifecycle,podgc,resourcequota",
            ],
            "scheduler": [f"{bin_}/kube-scheduler", f"--secure-port={port + 3}", *local, *quick],
            "kubelet": [
                sys.executable,
                str(Path(__file__).with_name("process_kubelet.py")),
                f"{at}/kubelet.json",
            ],
        }[name]

    def _write_files(self) -> None:
        (self.folder / "certs").mkdir(exist_ok=True)
        (self.folder / "tokens.csv").write_text(
            f'{self._token},admin,admin,"system:masters"\n{self.agent_token},agent,agent,"agents"\n'
        )
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        (self.folder / "sa.pem").write_bytes(pem)
        (self.folder / "kubelet.pem").write_bytes(pem + _certificate(key))
        config = {
            "url": self.url,
            "token": self._token,
            "ca": f"{self.folder}/certs/apiserver.crt",
            "folder": str(self.folder),
            "port": self.base_port + 5,
            "certificate": f"{self.folder}/kubelet.pem",
            "nodes": [_described(node) for node in self.nodes],
        }
        (self.folder / "kubelet.json").write_text(json.dumps(config))

    def _write_kubeconfig(self, access: Access) -> None:
        cluster = {
            "server": self.url,
            "certificate-authority": str(self.folder / "certs" / "apiserver.crt"),
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": access.token}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        self.kubeconfig.write_text(json.dumps(config))

    def _is_ready(self) -> bool:
        if self._running["apiserver"].poll() is not None:
            raise AssertionError((self.folder / "apiserver.log").read_text()[-2000:])
        if not _listens(self.base_port):
            return False
        with closing(self.client()) as client:
            try:
                client.read("/readyz", skip=0, limit=10)
                client.get("/api/v1/namespaces/default")
            except (EngineUnreachable, EngineRefused, NotThere):
                return False  # its rules of who may do what come a moment later
        return True

    def _await_nodes(self) -> None:
        def ready() -> bool:
            with closing(self.client()) as client:
                nodes = client.list("/api/v1/nodes")
            return len(nodes) == len(self.nodes) and not any(n["spec"].get("taints") for n in nodes)

        _await(ready, "ready nodes", self.folder)


def _described(node: VirtualNode) -> dict[str, Any]:
    """A node as the kubelet registers it: the labels of GPU feature discovery among the rest."""
    capacity = {"cpu": f"{node.cpu_milli}m", "memory": f"{node.memory_mib}Mi", "pods": "110"}
    labels = {}
    if node.cards:
        capacity["nvidia.com/gpu"] = str(node.cards)
        labels["nvidia.com/gpu.product"] = f"Tesla-{node.model}"
    return {"name": node.name, "labels": labels, "capacity": capacity}


def _certificate(key: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kubelet")])
    start = datetime.now(UTC) - timedelta(hours=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=2))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def _await(done: Callable[[], bool], what: str, folder: Path) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not done():
        if time.monotonic() > until:
            raise AssertionError(f"no {what} after {PATIENCE_SECONDS} s: see {folder}/*.log")
        time.sleep(0.1)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGTERM)
