"""Ask a server on this machine as fast as it answers, for some seconds, with several tokens.

`wrk` where it is installed; else threads with sockets of their own, which use more of the very
processor that they measure.
"""

from __future__ import annotations

import http.client
import json
import re
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

MOST_SECONDS = 60
READY_SECONDS = 40


@dataclass(frozen=True, slots=True)
class Target:
    """One address and who asks for it."""

    path: str
    token: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one round."""

    requests: int
    wrong: int
    seconds: float
    p50_ms: float
    p99_ms: float


def generator() -> str:
    return "wrk" if shutil.which("wrk") else "threads in Python"


def ask(url: str, targets: list[Target], *, seconds: int, connections: int) -> Answer:
    """One round. Only this machine, never longer than a minute."""
    assert urlsplit(url).hostname == "127.0.0.1", url
    assert 0 < seconds <= MOST_SECONDS, seconds
    if shutil.which("wrk"):
        return _wrk(url, targets, seconds, connections)
    return _threads(url, targets, seconds, connections)


_SCRIPT = """
local n = 0
local targets = {%s}
request = function()
  n = n %% #targets + 1
  local t = targets[n]
  return wrk.format("GET", t[1], {["Authorization"] = "Bearer " .. t[2]})
end
done = function(summary, latency, requests)
  io.write(string.format('JSON{"requests":%%d,"wrong":%%d,"us":%%d,"p50":%%d,"p99":%%d}',
    summary.requests, summary.errors.status + summary.errors.read + summary.errors.timeout,
    summary.duration, latency:percentile(50), latency:percentile(99)))
end
"""


def _wrk(url: str, targets: list[Target], seconds: int, connections: int) -> Answer:
    lines = ",".join(f'{{"{t.path}","{t.token}"}}' for t in targets)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "ask.lua"
        script.write_text(_SCRIPT % lines)
        done = subprocess.run(
            [
                "wrk",
                "-t1",
                "--timeout",
                "15s",
                f"-c{connections}",
                f"-d{seconds}s",
                "-s",
                str(script),
                url,
            ],
            capture_output=True,
            encoding="utf-8",
            timeout=seconds + 30,
            check=True,
        )
    found = json.loads(re.search(r"JSON(\{.*\})", done.stdout)[1])  # type: ignore[index]
    return Answer(
        requests=found["requests"],
        wrong=found["wrong"],
        seconds=found["us"] / 1e6,
        p50_ms=found["p50"] / 1000,
        p99_ms=found["p99"] / 1000,
    )


def _threads(url: str, targets: list[Target], seconds: int, connections: int) -> Answer:
    ends = time.monotonic() + seconds
    took: list[float] = []
    wrong: list[int] = []

    def work(first: int) -> None:
        line = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port, timeout=30)
        number = first
        while time.monotonic() < ends:
            target = targets[number % len(targets)]
            number += connections
            began = time.perf_counter()
            line.request("GET", target.path, headers={"Authorization": f"Bearer {target.token}"})
            answer = line.getresponse()
            answer.read()
            took.append((time.perf_counter() - began) * 1000)
            if answer.status != 200:
                wrong.append(answer.status)
        line.close()

    began = time.monotonic()
    threads = [threading.Thread(target=work, args=(i,)) for i in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cuts = statistics.quantiles(took, n=100)
    return Answer(len(took), len(wrong), time.monotonic() - began, cuts[49], cuts[98])


def await_answer(url: str, target: Target) -> None:
    """Until it answers this with 200."""
    until = time.monotonic() + READY_SECONDS
    last: object = None
    while time.monotonic() < until:
        try:
            line = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port, timeout=10)
            line.request("GET", target.path, headers={"Authorization": f"Bearer {target.token}"})
            answer = line.getresponse()
            last = (answer.status, answer.read()[:500])
            if answer.status == 200:
                return
        except OSError as error:
            last = error
        time.sleep(0.2)
    raise AssertionError(f"{url}{target.path} did not answer: {last}")
