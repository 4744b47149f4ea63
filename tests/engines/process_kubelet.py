"""A kubelet without containers: it registers nodes and runs every pod's command as a process.

Enough of the real one for work that an agent hands over: commands and variables with references
expanded, variables from ConfigMaps and fields (a missing ConfigMap keeps the container waiting),
exit codes, deadlines, deletion with a grace that may be shortened, logs over HTTPS. No images, no
volumes, no probes. Only the first process is asked to stop, as in a container; when it ends, its
process group does. Run as a program with the path of a JSON file; see kube_centre.py.
"""

from __future__ import annotations

import http.server
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

BEAT_SECONDS = 5
LOOK_SECONDS = 0.03
_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def expand(text: str, env: dict[str, str]) -> str:
    """`$$` is a dollar, `$(NAME)` a variable, and what names none stays as it is."""

    def one(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else env.get(found[1], found[0])

    return _REFERENCE.sub(one, text)


class Server:
    """The API server, spoken to until it answers."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._url, self._token = config["url"], config["token"]
        self._trust = ssl.create_default_context(cafile=config["ca"])

    def open(self, method: str, path: str, body: Any = None, timeout: float = 10) -> Any:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        request = urllib.request.Request(
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": kind},
        )
        return urllib.request.urlopen(request, timeout=timeout, context=self._trust)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask until there is an answer; None when it is 404 or 409."""
        while True:
            try:
                with self.open(method, path, body) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code in (404, 409):
                    return None
                print(method, path, error.code, error.read()[:300], flush=True)
            except OSError as error:
                print(method, path, error, flush=True)
            time.sleep(0.2)


class Pod:
    """One pod on one of our nodes, from its binding to its end. Runs in a thread of its own."""

    def __init__(self, server: Server, folder: Path, pod: dict[str, Any]) -> None:
        self._server, self._folder = server, folder
        self.pod = pod
        self._meta = pod["metadata"]
        self._path = f"/api/v1/namespaces/{self._meta['namespace']}/pods/{self._meta['name']}"
        self._container = pod["spec"]["containers"][0]
        self._since = (time.monotonic(), now())
        self._kill_at: float | None = None
        self._grace: int | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        env = self._await_env()
        if env is not None:
            self._run_process(env)
        while not self._deletion():
            time.sleep(0.2)
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self._meta["uid"]}}
        self._server.ask("DELETE", self._path, body)

    def _await_env(self) -> dict[str, str] | None:
        """The variables, as soon as all they come from is there; None when it shall not run."""
        told = False
        while True:
            if self._deletion():
                return None
            if self._is_late():
                self._status(
                    "Failed", {"waiting": {"reason": "CreateContainerConfigError"}}, late=True
                )
                return None
            env = self._env()
            if env is not None:
                return env
            if not told:
                self._status("Pending", {"waiting": {"reason": "CreateContainerConfigError"}})
                told = True
            time.sleep(LOOK_SECONDS * 2)

    def _env(self) -> dict[str, str] | None:
        env: dict[str, str] = {}
        for entry in self._container.get("env", []):
            source = entry.get("valueFrom")
            if source is None:
                env[entry["name"]] = expand(entry.get("value", ""), env)
            elif "fieldRef" in source:
                part: Any = self.pod
                for word in source["fieldRef"]["fieldPath"].split("."):
                    part = part[word]
                env[entry["name"]] = str(part)
            else:
                asked = source["configMapKeyRef"]
                space = self._meta["namespace"]
                found = self._server.ask(
                    "GET", f"/api/v1/namespaces/{space}/configmaps/{asked['name']}"
                )
                if found is None or asked["key"] not in found.get("data", {}):
                    return None
                env[entry["name"]] = found["data"][asked["key"]]
        return env

    def _run_process(self, env: dict[str, str]) -> None:
        words = self._container.get("command", []) + self._container.get("args", [])
        log = self._folder / "logs" / f"{self._meta['namespace']}_{self._meta['name']}"
        began = now()
        with log.open("ab") as out:
            process = self.process = subprocess.Popen(
                [expand(word, env) for word in words],
                env={"PATH": os.defpath, "JINSUAN_KUBELET": str(self._folder)} | env,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._status("Running", {"running": {"startedAt": began}})
        late = self._watch(process)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        code = process.returncode if process.returncode >= 0 else 128 - process.returncode
        ended = {"exitCode": code, "startedAt": began, "finishedAt": now()}
        phase = "Failed" if code or late else "Succeeded"
        self._status(phase, {"terminated": ended}, late=late)

    def _watch(self, process: subprocess.Popen[bytes]) -> bool:
        """See a process to its end; whether its deadline brought it."""
        late, asked = False, False
        while process.poll() is None:
            if not late and self._is_late():
                late, self._kill_at = (
                    True,
                    time.monotonic() + self.pod["spec"]["terminationGracePeriodSeconds"],
                )
            if (self._deletion() or late) and not asked:
                asked = True
                process.terminate()
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            time.sleep(LOOK_SECONDS)
        return late

    def _deletion(self) -> bool:
        """Whether it is to go; a shorter grace overtakes a longer one."""
        meta = self.pod["metadata"]
        if meta.get("deletionTimestamp") is None:
            return False
        grace = int(meta.get("deletionGracePeriodSeconds") or 0)
        if self._grace is None or grace < self._grace:
            self._grace = grace
            at = time.monotonic() + grace
            self._kill_at = at if self._kill_at is None else min(at, self._kill_at)
        return True

    def _is_late(self) -> bool:
        limit = self.pod["spec"].get("activeDeadlineSeconds")
        return limit is not None and time.monotonic() - self._since[0] >= limit

    def _status(self, phase: str, state: dict[str, Any], *, late: bool = False) -> None:
        begun = "running" in state
        status: dict[str, Any] = {
            "phase": phase,
            "startTime": self._since[1],
            "hostIP": "127.0.0.1",
            "containerStatuses": [
                {
                    "name": self._container["name"],
                    "image": self._container["image"],
                    "imageID": "",
                    "restartCount": 0,
                    "ready": begun,
                    "started": begun,
                    "state": state,
                }
            ],
        }
        if late:
            status |= {"reason": "DeadlineExceeded", "message": "Pod was active too long"}
        self._server.ask("PATCH", f"{self._path}/status", {"status": status})


class Kubelet:
    """All nodes of the centre, in one process."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config, self._server = config, Server(config)
        self._folder = Path(config["folder"])
        self._nodes = {node["name"]: node for node in config["nodes"]}
        self._pods: dict[str, Pod] = {}
        (self._folder / "logs").mkdir(exist_ok=True)

    def run(self) -> None:
        threading.Thread(target=self._serve_logs, daemon=True).start()
        for name, node in self._nodes.items():
            labels = {"kubernetes.io/hostname": name, **node["labels"]}
            meta = {"name": name, "labels": labels}
            self._server.ask("POST", "/api/v1/nodes", {"kind": "Node", "metadata": meta})
        threading.Thread(target=self._beat, daemon=True).start()
        while True:
            try:
                self._follow()
            except (OSError, ValueError, KeyError) as error:
                print("watch", repr(error), flush=True)
                time.sleep(0.2)

    def _follow(self) -> None:
        with self._server.open("GET", "/api/v1/pods") as answer:
            listed = json.load(answer)
        there = {pod["metadata"]["uid"] for pod in listed["items"]}
        for pod in listed["items"]:
            self._see(pod)
        for uid in [uid for uid in self._pods if uid not in there]:
            self._gone(uid)
        at = listed["metadata"]["resourceVersion"]
        path = f"/api/v1/pods?watch=1&timeoutSeconds=60&resourceVersion={at}"
        with self._server.open("GET", path, timeout=70) as answer:
            for line in answer:
                event = json.loads(line)
                if event["type"] in ("ADDED", "MODIFIED"):
                    self._see(event["object"])
                elif event["type"] == "DELETED":
                    self._gone(event["object"]["metadata"]["uid"])
                else:
                    raise ValueError(event)

    def _see(self, pod: dict[str, Any]) -> None:
        uid = pod["metadata"]["uid"]
        if known := self._pods.get(uid):
            known.pod = pod
        elif pod["spec"].get("nodeName") in self._nodes and pod["status"].get("phase") == "Pending":
            new = self._pods[uid] = Pod(self._server, self._folder, pod)
            threading.Thread(target=new.run, daemon=True).start()

    def _gone(self, uid: str) -> None:
        """Taken out of the books by force: its processes end at once."""
        if known := self._pods.pop(uid, None):
            known.pod["metadata"] |= {"deletionTimestamp": now(), "deletionGracePeriodSeconds": 0}

    def _beat(self) -> None:
        while True:
            for node in self._nodes.values():
                path = f"/api/v1/nodes/{node['name']}/status"
                self._server.ask("PATCH", path, {"status": self._node_status(node)})
            time.sleep(BEAT_SECONDS)

    def _node_status(self, node: dict[str, Any]) -> dict[str, Any]:
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}
        return {
            "capacity": node["capacity"],
            "allocatable": node["capacity"],
            "addresses": [
                {"type": kind, "address": "127.0.0.1"} for kind in ("InternalIP", "Hostname")
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._config["port"]}},
            "conditions": [{**ready, "lastHeartbeatTime": now()}],
        }

    def _serve_logs(self) -> None:
        folder = self._folder / "logs"

        class Logs(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = urllib.parse.urlsplit(self.path)
                _, _, space, pod, _ = asked.path.split("/")
                try:
                    data = (folder / f"{space}_{pod}").read_bytes()
                    code = 200
                except FileNotFoundError:
                    data, code = b"container is waiting to start", 400
                limit = urllib.parse.parse_qs(asked.query).get("limitBytes")
                data = data[: int(limit[0])] if limit and code == 200 else data
                self.send_response(code)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", self._config["port"]), Logs)
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trust.load_cert_chain(self._config["certificate"])
        server.socket = trust.wrap_socket(server.socket, server_side=True)
        server.serve_forever()

    def end(self) -> None:
        for pod in list(self._pods.values()):
            if pod.process is not None:
                with suppress(ProcessLookupError):
                    os.killpg(pod.process.pid, signal.SIGKILL)


def main() -> None:
    kubelet = Kubelet(json.loads(Path(sys.argv[1]).read_text("utf-8")))

    def stop(*_: object) -> None:
        kubelet.end()
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    kubelet.run()


if __name__ == "__main__":
    main()
