"""What is handed to Ray for one attempt, and how its output is read back. Pure.

Ray mixes its own lines into a job's log, at places that change. So the first process of the work
writes everything as lines of its own: when it began, and the output in base64. What Ray adds falls
away, and every byte of the work stays.
"""

from __future__ import annotations

import base64
import binascii
import json
import shlex
from typing import Any

from jinsuan.agent.engines.embedded.folder import CARDS, OURS
from jinsuan.agent.engines.ray.nodes import RayNode
from jinsuan.protocol.messages import Lease

STOP_SECONDS = 15
"""How long work may tidy up. Ray takes one time for a job, when it is handed over, and no other."""
MOST_BYTES = 120 * 1024
"""Linux takes no longer single argument of a process (MAX_ARG_STRLEN, 128 KiB)."""
BEGAN, DATA = "jinsuan-began ", "jinsuan-data "

SHIM = r"""
import base64, ctypes, json, os, signal, subprocess, sys, tempfile, time
told = json.loads(base64.b64decode(sys.argv[1]))
parent, began = os.getppid(), time.monotonic()
def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
signal.signal(signal.SIGTERM, lambda *_: None)
say("jinsuan-began %.3f" % time.time())
run = told["run"]
if run.startswith("#!"):
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write(run + "\n")
    os.chmod(file.name, 0o700)
    command = [file.name]
else:
    bash = os.path.exists("/bin/bash") or os.path.exists("/usr/bin/bash")
    command = ["bash" if bash else "sh", "-c", run]
def child():
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
env = dict(os.environ, **told["env"])
if not told["cards"]:
    env.update(CUDA_VISIBLE_DEVICES="", ASCEND_RT_VISIBLE_DEVICES="")
work = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT, preexec_fn=child)
pipe = work.stdout.fileno()
os.set_blocking(pipe, False)
def copy():
    try:
        while data := os.read(pipe, 49152):
            say("jinsuan-data " + base64.b64encode(data).decode())
    except BlockingIOError:
        pass
late = kill_at = None
while work.poll() is None:
    copy()
    now = time.monotonic()
    if kill_at is None:
        late = now - began >= told["seconds"]
        # An orphan ends: Ray has lost it, so nobody could see it or stop it.
        if late or os.getppid() != parent:
            kill_at = now + (15 if late else 3)
            os.kill(0, signal.SIGTERM)
    elif now >= kill_at:
        copy()
        os.kill(0, signal.SIGKILL)
    time.sleep(0.05)
copy()
code = work.returncode
os.kill(0, signal.SIGTERM)
sys.exit(124 if late else code if code >= 0 else 128 - code)
"""


def request(lease: Lease, node: RayNode) -> dict[str, Any]:
    """The body of the submission: on this one node, by Ray's own resource of its address."""
    work = lease.work
    resources = {f"node:{node.address}": 0.001}
    if work.cards:
        resources |= {name: float(work.cards) for name in node.card_resources}
    return {
        "submission_id": lease.engine_key,
        "entrypoint": f"exec python3 -c {shlex.quote(SHIM)} {_payload(lease, node.node.name)}",
        "entrypoint_num_cpus": work.cpu_milli / 1000,
        "entrypoint_num_gpus": float(work.cards) if node.has_gpu else 0,
        "entrypoint_memory": work.memory_mib * 2**20,
        "entrypoint_resources": resources,
        "metadata": {
            "jinsuan_attempt": lease.attempt,
            "jinsuan_fencing": str(lease.fencing),
        },
        "runtime_env": {"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)}},
    }


def size(lease: Lease) -> int:
    """Bytes of what the script and its variables become, less the name of a node."""
    return len(_payload(lease, ""))


def _payload(lease: Lease, node: str) -> str:
    work = lease.work
    theirs = {
        name: value
        for name, value in zip(work.env_names, work.env_values, strict=True)
        if not name.startswith(OURS) and name not in CARDS
    }
    ours = {
        "JINSUAN_JOB_ID": lease.job,
        "JINSUAN_ATTEMPT": lease.attempt,
        "JINSUAN_CARD_MILLI": str(work.card_milli if work.cards else 0),
        "NODE_RANK": "0",
        "NUM_NODES": "1",
        "NODE_NAMES": node,
        "CARDS_PER_NODE": str(work.cards),
    }
    told = {
        "run": work.run,
        "env": theirs | ours,
        "cards": work.cards,
        "seconds": work.max_run_seconds,
    }
    return base64.b64encode(json.dumps(told, ensure_ascii=False).encode()).decode()


def began_ms(log: str) -> int | None:
    """When the work began, in Unix milliseconds of its node; None while it has not."""
    for line in log.splitlines():
        if line.startswith(BEGAN):
            seconds, _, thousandths = line.removeprefix(BEGAN).partition(".")
            return int(seconds) * 1000 + int(thousandths)
    return None


def output(log: str) -> bytes:
    """The bytes that the work has printed."""
    found = bytearray()
    for line in log.split("\n")[:-1]:
        if line.startswith(DATA):
            try:
                found += base64.b64decode(line.removeprefix(DATA), validate=True)
            except binascii.Error:
                break  # a line that is only half there yet
    return bytes(found)
