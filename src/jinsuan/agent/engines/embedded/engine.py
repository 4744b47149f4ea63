"""The embedded engine (内置引擎): virtual nodes, process groups, and a table that outlives kill -9.

It runs inside the agent and does its work whenever it is asked something: no thread, no daemon.
A start happens in three steps, each of which may be the last before a crash:

1. the intent (which nodes, which cards) is written through to the disk;
2. a shim is started per rank;
3. the shim claims its rank by making a file that may not exist yet, then runs the work.

After a crash a rank without a claim is started again (a shim that was late gives way), a rank with
a living process is adopted, a rank with an exit code has ended, and one with neither is lost.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import structlog

from jinsuan.agent.engines.embedded import process, watch
from jinsuan.agent.engines.embedded.folder import JobFolder, bad_variables, is_key
from jinsuan.agent.engines.embedded.room import Room, VirtualNode
from jinsuan.agent.engines.embedded.run import EPOCH, Rank, Run, Stop
from jinsuan.agent.engines.embedded.store import Store
from jinsuan.agent.engines.embedded.variables import variables
from jinsuan.agent.engines.errors import EngineRefused, EngineUnreachable
from jinsuan.protocol.messages import Lease, Observation, Offer
from jinsuan.protocol.states import EndCause

log = structlog.get_logger(__name__)

LIMIT_GRACE_SECONDS = 15
"""How long work that reached its time limit, or whose other rank failed, may still tidy up."""
MAX_TRIES = 3
SWEEP_NS = 60 * 10**9


class EmbeddedEngine:
    """A scheduler for one machine. One engine per folder; the folder must be on a local disk.

    Args:
        folder: where the table and the jobs live; made when missing.
        now: the agent's clock. Times of jobs come from the disk and are shifted to this clock.
        cluster: the name under which the capacity is offered.
        job_user: who runs the jobs when the agent is root; None or "root" for the agent itself.
        images: what to do with work that names a container image, which this engine cannot run.
    """

    name = "embedded"

    def __init__(
        self,
        folder: Path,
        nodes: Sequence[VirtualNode],
        *,
        now: Callable[[], datetime],
        cluster: str = "embedded",
        job_user: str | None = "nobody",
        images: Literal["refuse", "ignore"] = "refuse",
    ) -> None:
        self._now, self._cluster, self._images = now, cluster, images
        jobs = folder.absolute() / "jobs"
        jobs.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)
        jobs.chmod(0o711)
        self._jobs = str(jobs)
        self._lock = _locked(folder / "engine.lock")
        # Touched on every turn: when the supervisor before this one was last at work.
        heartbeat_ns = os.fstat(self._lock).st_mtime_ns
        self._shift_us = _shift_us(self._lock, now())
        self._account = _account(job_user)
        self._shell, self._machine = process.shell(), process.machine()
        self._store = Store(folder / "engine.db")
        self._room = Room(nodes)
        self._queue: dict[str, Run] = {}
        self._live: dict[str, Run] = {}
        self._changed: dict[str, Run] = {}
        self._has_room = True
        self._swept_ns = 0
        self._offer: Offer | None = None
        self._load(heartbeat_ns)

    def close(self) -> None:
        """Let go of the folder. The jobs go on; the next engine adopts them."""
        self._store.close()
        os.close(self._lock)

    def _load(self, heartbeat_ns: int) -> None:
        for run in self._store.open_runs():
            if not run.placed:
                self._queue[run.key] = run
                continue
            self._live[run.key] = run
            self._room.take(run.allocation)
            run.ranks = [Rank(n, last_ns=heartbeat_ns) for n in range(len(run.allocation))]
            for rank in run.ranks if run.machine != self._machine else ():
                # Nothing lives through a boot, and a claim may not have reached the disk.
                if watch.look(rank, self._folder(run.key), heartbeat_ns):
                    watch.lose(rank, heartbeat_ns)

    # ── the five verbs ────────────────────────────────────────────────────────────────────────

    def offers(self) -> Sequence[Offer]:
        nodes = self._room.offers()
        if self._offer is None or self._offer.nodes is not nodes:
            self._offer = Offer(
                cluster=self._cluster, engine=self.name, nodes=nodes, card_share=True
            )
        return (self._offer,)

    def submit(self, lease: Lease) -> None:
        if not is_key(lease.engine_key):
            raise EngineRefused(self.name, f"键 {lease.engine_key[:60]!r} 不能作文件夹名")
        with self._asking():
            if lease.engine_key in self._queue or lease.engine_key in self._live:
                return
            if problem := self._problem(lease):
                if not self._store.find([lease.engine_key]):
                    raise EngineRefused(self.name, problem)
                return
            if self._store.add(lease):
                self._queue[lease.engine_key] = Run(key=lease.engine_key, lease=lease)
                self._has_room = True

    def observe(self, keys: Sequence[str]) -> Sequence[Observation]:
        with self._asking():
            self._tick()
            found: list[Observation] = []
            rest: list[str] = []
            for key in keys:
                run = self._live.get(key) or self._queue.get(key)
                if run is None:
                    rest.append(key)
                else:
                    found.append(run.observation())
            found += [run.observation() for run in self._store.find(rest).values()]
            return found

    def cancel(self, key: str, *, grace_seconds: int) -> None:
        with self._asking():
            self._tick()
            now_ns = self._now_ns()
            stop = Stop(EndCause.CANCELLED, now_ns, max(0, grace_seconds))
            if run := self._queue.get(key):
                run.stop, run.cause, run.ended_ns, run.seen = stop, stop.cause, now_ns, None
                self._store.save([run])
                del self._queue[key]
            elif (run := self._live.get(key)) and run.cause is None:
                if run.stop is None or stop.kill_ns < run.stop.kill_ns:
                    polite = run.stop is None
                    if run.stop is not None:
                        stop.cause = run.stop.cause
                    run.stop = stop
                    self._store.save([run])
                    if polite:
                        self._signal(run, signal.SIGTERM)
                self._tick()

    def read_log(self, key: str, *, offset: int, limit: int) -> bytes:
        if not is_key(key) or offset < 0 or limit < 0:
            raise EngineRefused(
                self.name, f"不能读键 {key[:60]!r} 从 {offset} 起 {limit} 字节的日志"
            )
        try:
            return self._folder(key).read_log(offset, limit)
        except OSError as error:
            raise EngineUnreachable(self.name, f"读不了日志：{error.strerror}") from error

    def forget(self, key: str) -> None:
        """Drop the folder of an ended job. Its key stays used."""
        if is_key(key) and key not in self._live and key not in self._queue:
            with self._asking():
                self._store.strip(key)
                self._folder(key).remove()

    # ── one turn ──────────────────────────────────────────────────────────────────────────────

    def _tick(self) -> None:
        now_ns = self._now_ns()
        os.utime(self._lock)
        for run in self._live.values():
            if run.cause is None:
                self._watch(run, now_ns)
        self._save()
        if self._has_room:
            self._schedule(now_ns)
        if now_ns - self._swept_ns > SWEEP_NS:
            self._swept_ns = now_ns
            self._sweep()

    def _save(self) -> None:
        """Write what changed; only then is the room of what has ended given away again."""
        self._store.save(self._changed.values())
        for run in self._changed.values():
            if run.cause is not None and run.key in self._live:
                del self._live[run.key]
                self._room.give(run.allocation)
                self._has_room = True
        self._changed.clear()

    def _watch(self, run: Run, now_ns: int) -> None:
        folder = self._folder(run.key)
        for rank in run.ranks:
            if rank.ended_ns is None and watch.look(rank, folder, now_ns):
                self._start_or_give_up(run, rank, folder, now_ns)
        before = (run.started_ns, run.stop, run.cause)
        run.judge(now_ns, shift_us=self._shift_us, grace_seconds=LIMIT_GRACE_SECONDS)
        if before != (run.started_ns, run.stop, run.cause):
            run.seen = None
            self._changed[run.key] = run
        stop = run.stop if run.cause is None else None
        if stop is not None and stop is not before[1]:
            self._signal(run, signal.SIGTERM)
        if stop is not None and now_ns >= stop.kill_ns:
            self._signal(run, signal.SIGKILL)

    def _start_or_give_up(self, run: Run, rank: Rank, folder: JobFolder, now_ns: int) -> None:
        """A rank without a claim: start it, unless it shall not run or cannot."""
        if run.stop is None and rank.tries < MAX_TRIES:
            self._spawn(run, rank, folder)
        elif folder.close_claim(rank.number):
            rank.ended_ns, rank.failed = now_ns, run.stop is None

    def _schedule(self, now_ns: int) -> None:
        """First come, first served, but what does not fit lets later work pass."""
        self._has_room = False
        hopeless: set[tuple[object, ...]] = set()
        placed: list[Run] = []
        for run in self._queue.values():
            work = run.work
            likeness = (work.model, work.cards, work.card_milli, work.cpu_milli, work.memory_mib)
            if (*likeness, work.num_nodes) in hopeless:
                continue
            assert run.lease is not None
            shares = self._room.find(work, run.lease.nodes)
            if shares is None:
                # Room only shrinks within one turn: the like of it will not fit either.
                hopeless.add((*likeness, work.num_nodes))
                continue
            self._room.take(shares)
            run.placed, run.machine, run.allocation, run.seen = True, self._machine, shares, None
            run.ranks = [Rank(n, seen_ns=now_ns) for n in range(len(shares))]
            placed.append(run)
        try:
            self._store.save(placed, durably=True)
        except sqlite3.Error:
            for run in placed:
                self._room.give(run.allocation)
                run.placed, run.allocation, run.ranks = False, (), []
            self._has_room = True
            raise
        for run in placed:
            self._live[run.key] = self._queue.pop(run.key)
            for rank in run.ranks:
                self._spawn(run, rank, self._folder(run.key))

    def _spawn(self, run: Run, rank: Rank, folder: JobFolder) -> None:
        assert run.lease is not None
        owner = None if self._account is None else self._account.owner
        drop = () if self._account is None else self._account.drop
        try:
            command = (*drop, *folder.make(run.lease, shell=self._shell, owner=owner))
            env = variables(run, rank.number, folder)
            rank.child = process.spawn(folder.path, rank.number, command, env, log=folder.log)
        except OSError as error:
            rank.tries += 1
            log.warning("job.not_started", key=run.key, rank=rank.number, problem=error.strerror)

    def _signal(self, run: Run, number: int) -> None:
        folder = self._folder(run.key)
        for rank in run.ranks:
            if rank.ended_ns is not None:
                continue
            if rank.child is not None:
                with suppress(ProcessLookupError):
                    os.killpg(rank.child, number)
            elif rank.adopted is not None:
                process.signal_group(rank.adopted, folder.tag(rank.number), number)

    def _sweep(self) -> None:
        """Kill what ended jobs have left running outside their process groups."""
        for pid, key in process.tagged_below(self._jobs):
            if key not in self._live:
                log.warning("job.stray_killed", key=key, pid=pid)
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)

    # ── small things ──────────────────────────────────────────────────────────────────────────

    def _problem(self, lease: Lease) -> str | None:
        work = lease.work
        if lease.cluster != self._cluster:
            return f"没有集群 {lease.cluster[:60]!r}，这里是 {self._cluster}"
        if work.image is not None and self._images == "refuse":
            return "内置引擎直接运行进程，不能使用容器镜像"
        if bad := bad_variables(lease):
            return f"环境变量名 {bad[0][:60]!r} 不合规，应为字母、数字和下划线"
        return self._room.never_fits(work)

    def _folder(self, key: str) -> JobFolder:
        return JobFolder(self._jobs, key)

    def _now_ns(self) -> int:
        """The machine's time, in which files are stamped."""
        return (_micros(self._now()) - self._shift_us) * 1000

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise EngineUnreachable(self.name, f"状态库或磁盘出错：{error}") from error


def _micros(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)


def _locked(path: Path) -> int:
    """Hold the folder alone; the kernel lets go when this process dies, however it dies."""
    file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise EngineUnreachable("embedded", f"{path.parent} 已由另一个进程使用") from None
    return file


def _shift_us(file: int, now: datetime) -> int:
    """How far the agent's clock is ahead of the one that stamps files, in microseconds."""
    os.utime(file)
    return _micros(now) - os.fstat(file).st_mtime_ns // 1000


def _account(job_user: str | None) -> process.Account | None:
    try:
        return process.account(job_user)
    except LookupError as error:
        if job_user != "nobody":
            raise EngineRefused("embedded", f"不能用用户 {job_user} 运行作业：{error}") from error
        log.warning("job_user.unusable", job_user=job_user, problem=str(error), jobs_run_as="root")
        return None
