"""A Slurm of a few lines, for stories that a real one cannot be told: same JSON, same bad habits.

It answers the real client, through httpx, and its jobs do to the shared folder what the real
scripts do. What it has in common with the real one (checked on 22.05.8 by test_slurm_faults.py):

- state is saved every five seconds; a crash forgets what came after, numbers are given out again,
  and what had been started goes on without it or is killed when the node reports;
- a job that was saved as pending starts again although it runs already;
- errors come with 500 and with 200, unknown jobs with 500;
- an answer can be lost, or be no JSON, and a request can take effect long after it was given up.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from jinsuan.agent.engines.embedded.room import Room, VirtualNode
from jinsuan.agent.engines.slurm.judge import EPOCH
from jinsuan.protocol.codec import decode
from jinsuan.protocol.messages import Lease, NodeShare, Work
from jinsuan.protocol.states import EndCause
from tests.contracts.memory import Held, rank_script

SAVE_SECONDS = 5
PREFIX = "/slurm/v0.0.38/"
LIVE = ("PENDING", "RUNNING")


@dataclass(slots=True)
class FakeJob:
    """What slurmctld knows of a job."""

    number: int
    comment: str
    folder: Path
    work: Work
    requeue: bool
    state: str = "PENDING"
    restarts: int = 0


@dataclass(slots=True)
class Run:
    """One start of a job's script on the nodes; it needs no slurmctld to go on."""

    number: int
    folder: Path
    shares: tuple[NodeShare, ...]
    held: Held | None
    """None when another run had claimed the key: this one goes home."""
    alive: bool = True
    told: set[str] = field(default_factory=set)


class FakeSlurm(httpx.BaseTransport):
    """slurmrestd, slurmctld and the nodes.

    Args:
        claims: False plants a bug: scripts run without looking at the claim.
        obeys_no_requeue: False for a cluster that requeues whatever it is told.
    """

    def __init__(
        self,
        nodes: Sequence[VirtualNode],
        *,
        now: Callable[[], datetime],
        claims: bool = True,
        obeys_no_requeue: bool = True,
    ) -> None:
        self._now, self._claims, self._obeys = now, claims, obeys_no_requeue
        self._nodes, self._room = nodes, Room(nodes)
        self.mood = "fine"
        self.jobs: dict[int, FakeJob] = {}
        self.runs: list[Run] = []
        self.starts: Counter[str] = Counter()
        self.truth: dict[str, Held] = {}
        self._late: list[httpx.Request] = []
        self._next = 1
        self._saved: tuple[datetime, dict[int, FakeJob], int] = (now(), {}, 1)

    # ── slurmrestd ────────────────────────────────────────────────────────────────────────────

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.tick()
        if self.mood == "away":
            raise httpx.ConnectError("refused", request=request)
        if self.mood == "error with 200":
            return _answer(200, {"errors": [{"error_number": 5005, "error": "Zero Bytes"}]})
        submits = request.url.path.endswith("job/submit")
        if submits and self.mood == "late":
            self._late.append(request)
            raise httpx.ReadTimeout("late", request=request)
        answer = self._serve(request)
        if self.mood == "garbage":
            return httpx.Response(502, content=b"<html>Bad Gateway</html>")
        if submits and self.mood == "swallows":
            raise httpx.ReadTimeout("lost", request=request)
        if submits and self.mood == "no number":
            return _answer(200, {"errors": [], "job_id": 0})
        return answer

    def _serve(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.startswith(PREFIX):
            return httpx.Response(404, content=b"Unable find requested URL")
        path = request.url.path.removeprefix(PREFIX)
        if path == "ping":
            return _answer(200, {"meta": {"Slurm": {"release": "fake"}}, "errors": []})
        if path == "nodes":
            return _answer(200, {"errors": [], "nodes": [self._node(n) for n in self._nodes]})
        if path == "partitions":
            found = [{"name": "main", "flags": ["default"]}]
            return _answer(200, {"errors": [], "partitions": found})
        if path == "jobs":
            return _answer(200, {"errors": [], "jobs": [_shown(j) for j in self.jobs.values()]})
        if path == "job/submit":
            return self._submit(json.loads(request.content))
        job = self.jobs.get(int(path.removeprefix("job/")))
        if job is None:
            error = {"error_number": 2017, "error": "Invalid job id specified"}
            return _answer(500, {"errors": [error], "jobs": []})
        if request.method == "DELETE" and request.url.params["signal"] == "KILL":
            self._kill(job)
        return _answer(200, {"errors": [], "jobs": [_shown(job)]})

    def _submit(self, body: dict[str, Any]) -> httpx.Response:
        fields = body["job"]
        folder = Path(fields["current_working_directory"])
        assert str(folder) in body["script"]
        work = decode(Work, json.loads((folder / "lease.json").read_text("utf-8")))
        if self._room.never_fits(work):
            error = {"error_code": 2014, "error": "Requested node configuration is not available"}
            return _answer(500, {"errors": [error]})
        requeue = not (fields.get("no_requeue") and self._obeys)
        job = FakeJob(self._next, fields["comment"], folder, work, requeue)
        self.jobs[job.number] = job
        self._next += 1
        self._schedule()
        return _answer(200, {"errors": [], "job_id": job.number, "step_id": "BATCH"})

    def _node(self, node: VirtualNode) -> dict[str, Any]:
        (offer,) = (o for o in self._room.offers() if o.name == node.name)
        used = [n for n, free in enumerate(offer.cards_free_milli) if not free]
        shown = f"gpu:{node.model}:{len(used)}(IDX:{','.join(map(str, used)) or 'N/A'})"
        return {
            "name": node.name,
            "cpus": node.cpu_milli // 1000,
            "alloc_cpus": (offer.cpu_milli - offer.cpu_free_milli) // 1000,
            "real_memory": node.memory_mib,
            "alloc_memory": offer.memory_mib - offer.memory_free_mib,
            "gres": f"gpu:{node.model}:{node.cards}" if node.cards else "",
            "gres_used": shown if node.cards else "gpu:0",
            "state": "idle",
            "state_flags": [],
            "partitions": ["main"],
        }

    # ── slurmctld ─────────────────────────────────────────────────────────────────────────────

    def tick(self) -> None:
        """Time has passed: work goes on, queues move, state is saved."""
        for run in self.runs:
            self._go_on(run)
        self._schedule()
        at, _, _ = self._saved
        if self._now() - at >= timedelta(seconds=SAVE_SECONDS):
            self._save()

    def _save(self) -> None:
        kept = {number: replace(job) for number, job in self.jobs.items()}
        self._saved = (self._now(), kept, self._next)

    def crash(self, *, orphans_live: bool) -> None:
        """kill -9 of slurmctld and a start from what it had saved."""
        _, saved, self._next = self._saved
        self.jobs = {number: replace(job) for number, job in saved.items()}
        self._save()
        for run in self.runs:
            job = self.jobs.get(run.number)
            known = job is not None and job.folder == run.folder and job.state == "RUNNING"
            if run.alive and not known and not orphans_live:
                self._end_run(run, killed=True)
        for job in self.jobs.values():
            mine = [r for r in self.runs if r.number == job.number and r.folder == job.folder]
            if job.state == "RUNNING" and not any(run.alive for run in mine):
                job.state = "PENDING" if job.requeue else "COMPLETED"
        self.tick()

    def let_late_requests_arrive(self) -> None:
        """slurmrestd stood still with them in its hands, however long, and goes on."""
        late, self._late = self._late, []
        for request in late:
            self._serve(request)
        self.tick()

    def lose_node(self, which: int) -> None:
        """A node dies with the work that is on it."""
        living = [run for run in self.runs if run.alive]
        run = living[which % len(living)]
        self._end_run(run, killed=True)
        job = self.jobs.get(run.number)
        if job is not None and job.folder == run.folder and job.state == "RUNNING":
            job.state = "PENDING" if job.requeue else "NODE_FAIL"
            job.restarts += 1
        self.tick()

    def _kill(self, job: FakeJob) -> None:
        for run in self.runs:
            if run.alive and run.number == job.number and run.folder == job.folder:
                self._end_run(run, killed=True)
        if job.state in LIVE:
            job.state = "CANCELLED"
        self._schedule()

    def _schedule(self) -> None:
        for job in self.jobs.values():
            whole = replace(job.work, cpu_milli=-(-job.work.cpu_milli // 1000) * 1000)
            if job.state == "PENDING" and (shares := self._room.find(whole)) is not None:
                self._room.take(shares)
                job.state = "RUNNING"
                run = Run(job.number, job.folder, shares, self._claim(job, shares))
                self.runs.append(run)
                self._go_on(run)

    # ── the nodes ─────────────────────────────────────────────────────────────────────────────

    def _claim(self, job: FakeJob, shares: tuple[NodeShare, ...]) -> Held | None:
        """What the script does first. Only the first of all runs of a key gets any further."""
        try:
            (job.folder / "claim").symlink_to(f"job.{job.number}.{job.restarts}")
        except FileExistsError:
            if self._claims:
                return None
        key, now = job.folder.name, self._now()
        self._stamp(job.folder / "claim")
        self.starts[key] += 1
        work = replace(job.work, run=(job.folder / "run").read_text("utf-8").rstrip("\n"))
        held = Held(_lease(key, work), tuple(shares), now)
        held.scripts = [rank_script(held, rank) for rank in range(len(shares))]
        self.truth[key] = held
        for rank, share in enumerate(shares):
            cards = ",".join(map(str, share.cards))
            self._put(job.folder / f"place.{rank}", f"{share.node} {cards}\n")
        return held

    def _go_on(self, run: Run) -> None:
        if not run.alive:
            return
        if run.held is None:
            self._end_run(run, killed=False)
            return
        held, now = run.held, self._now()
        self._listen(run, held, now)
        held.judge(now)
        (run.folder / "log").write_bytes(held.log(now))
        self._put(run.folder / "alive", "\n", at=held.ended_at or now)
        if held.cause is not None:
            self._write_end(run, held)
            self._end_run(run, killed=False)

    def _listen(self, run: Run, held: Held, now: datetime) -> None:
        """The watchers: a new word in `stop` counts from when it is seen."""
        try:
            word = (run.folder / "stop").read_text("ascii").strip()
        except FileNotFoundError:
            return
        if word in run.told:
            return
        run.told.add(word)
        if held.stop is None:
            held.stop = (now, int(word), EndCause.CANCELLED)
        elif held.stop[2] is EndCause.CANCELLED:
            at, grace, cause = held.stop
            held.stop = (at, min(grace, (now - at).total_seconds() + int(word)), cause)

    def _write_end(self, run: Run, held: Held) -> None:
        assert held.ended_at is not None
        whys = {EndCause.CANCELLED: "stop", EndCause.TIME_LIMIT: "limit"}
        for rank, script in enumerate(held.scripts):
            at = held.rank_end(script)
            why = whys.get(held.cause or EndCause.EXITED, "exit")
            if why == "exit" and held.exit_code and script.code != held.exit_code:
                continue  # srun killed it together with its wrapper
            code = 143 if why != "exit" else script.code
            self._put(run.folder / f"rc.{rank}", f"{code} {why}\n", at=at)
        self._put(run.folder / "ended", "0\n", at=held.ended_at)

    def _end_run(self, run: Run, *, killed: bool) -> None:
        run.alive = False
        self._room.give(run.shares)
        job = self.jobs.get(run.number)
        if killed and run.held is not None and run.held.cause is None:
            run.held.cause, run.held.ended_at = EndCause.ENGINE_LOST, self._now()
        mine = job is not None and job.folder == run.folder
        if job is not None and mine and job.state == "RUNNING" and not killed:
            job.state = "COMPLETED"

    def _put(self, path: Path, text: str, *, at: datetime | None = None) -> None:
        path.write_text(text, "utf-8")
        self._stamp(path, at)

    def _stamp(self, path: Path, at: datetime | None = None) -> None:
        ns = nanoseconds(at or self._now())
        os.utime(path, ns=(ns, ns), follow_symlinks=False)


def nanoseconds(at: datetime) -> int:
    """Unix nanoseconds of a time."""
    return (at - EPOCH) // timedelta(microseconds=1) * 1000


def _lease(key: str, work: Work) -> Lease:
    return Lease(
        attempt=key,
        job=key,
        number=1,
        fencing=1,
        engine_key=key,
        cluster="fake",
        start_within_seconds=60,
        work=work,
    )


def _answer(status: int, body: dict[str, Any]) -> httpx.Response:
    return httpx.Response(status, json=body)


def _shown(job: FakeJob) -> dict[str, Any]:
    return {
        "job_id": job.number,
        "comment": job.comment,
        "job_state": job.state,
        "state_reason": "None",
    }
