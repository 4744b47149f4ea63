"""Slurm (22.05 and later) by slurmrestd, made safe to repeat by a claim in a shared folder.

slurmctld writes its state down every five seconds or so. Killed before that, it forgets jobs that
it had accepted, hands their numbers out again, and may have started them. So a number proves
nothing: every job carries our key in its comment, and the work belongs to whichever job makes the
claim in the shared folder first. Two jobs of one key are then harmless: one works, one goes home.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from jinsuan.agent.engines.embedded import VirtualNode
from jinsuan.agent.engines.embedded.folder import bad_variables, is_key
from jinsuan.agent.engines.embedded.room import Room
from jinsuan.agent.engines.errors import EngineRefused, EngineUnreachable
from jinsuan.agent.engines.slurm.client import NAME, SlurmClient
from jinsuan.agent.engines.slurm.folder import HERE, ROOT, Facts, JobFolder, clock
from jinsuan.agent.engines.slurm.judge import EPOCH, judge
from jinsuan.agent.engines.slurm.settings import SlurmSettings
from jinsuan.agent.engines.slurm.shapes import WHOLE, SlurmJob, SlurmNode, known_by_comment
from jinsuan.protocol.messages import Lease, Observation, Offer, Work
from jinsuan.protocol.states import AttemptState

log = structlog.get_logger(__name__)

ONE_BY_ONE = 20
"""More keys than this are looked up in one list of all jobs; a list makes slurmrestd grow."""
NODES_KEPT_SECONDS = 300
"""How long it is believed what the nodes have in all; what is free is asked every time."""
POKE_SECONDS = 2
LATE_SECONDS = 10
"""How long after its grace work may still be there before Slurm is told to kill it."""


class SlurmEngine:
    """A Slurm cluster, or one partition of it.

    Args:
        now: the agent's clock, to which the file server's times are shifted in reports.
        cluster: the name under which the capacity is offered.
        images: what to do with work that names a container image, which this engine cannot run.
        monotonic: seconds that never jump.
        disk_clock: the shared folder's time; None to ask the folder.

    Raises:
        EngineUnreachable: the shared folder is not there.
    """

    name = NAME

    def __init__(
        self,
        settings: SlurmSettings,
        *,
        now: Callable[[], datetime],
        cluster: str = NAME,
        images: str = "refuse",
        client: SlurmClient | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        disk_clock: Callable[[], int] | None = None,
    ) -> None:
        self._settings, self._cluster, self._images = settings, cluster, images
        self._now = now
        self._client = client or SlurmClient(settings)
        self._monotonic = monotonic
        self._root = settings.shared.resolve() / ROOT
        self._disk_clock = disk_clock or (lambda: clock(self._root))
        self._tag = hashlib.sha256(str(self._root).encode()).hexdigest()[:8]
        self._numbers: dict[str, int] = {}
        self._deadlines: dict[str, float] = {}
        self._poked: dict[str, float] = {}
        self._seen: dict[str, Observation] = {}
        self._running_ns: dict[str, int] = {}
        self._nodes: tuple[float, list[SlurmNode]] | None = None
        self._partition: str | None = settings.partition or None
        try:
            if not settings.shared.is_dir():
                raise FileNotFoundError(2, "没有这个文件夹")
            self._root.mkdir(mode=0o700, exist_ok=True)
            (self._root / HERE).touch()
        except OSError as error:
            raise EngineUnreachable(
                NAME, f"共享文件夹 {settings.shared} 不能用（{error.strerror}）"
            ) from None

    def close(self) -> None:
        """Let go of the connection. The jobs go on."""
        self._client.close()

    def comment(self, key: str) -> str:
        """What the jobs of a key carry; the tag keeps installations on one cluster apart."""
        return f"jinsuan/{self._tag}/{key}"

    # ── the five verbs ────────────────────────────────────────────────────────────────────────

    def offers(self) -> Sequence[Offer]:
        nodes = tuple(node.offer for node in self._ask_nodes() if node.ready)
        return (Offer(cluster=self._cluster, engine=NAME, nodes=nodes, card_share=False),)

    def submit(self, lease: Lease) -> None:
        key = lease.engine_key
        self._check(lease)
        self._mounted()
        folder = JobFolder(self._root, key)
        try:
            if folder.was_sent:
                facts = folder.read()
                if facts.closed:
                    raise EngineRefused(NAME, f"键 {key} 已经作废")
                if facts.final or facts.claimed_ns is not None or self._look_up([key])[key]:
                    return
            elif folder.exists and folder.read().closed:
                raise EngineRefused(NAME, f"键 {key} 已经作废")
            script = folder.make(
                lease, heartbeat=self._settings.heartbeat_seconds, shift_us=self._shift_us()
            )
            folder.note_sent()
        except OSError as error:
            raise self._no_folder(error) from None
        except ValueError as error:
            raise EngineRefused(NAME, str(error)) from None
        self._numbers[key] = self._client.submit(
            lease.work,
            name=key,
            comment=self.comment(key),
            folder=str(folder.path),
            script=script,
        )

    def observe(self, keys: Sequence[str]) -> Sequence[Observation]:
        self._mounted()
        try:
            now_ns = self._disk_clock()  # before the files: nothing is seen later than it was
            found = {
                key: folder.read()
                for key in dict.fromkeys(keys)
                if is_key(key) and (folder := JobFolder(self._root, key)).exists
            }
            asked = [k for k, facts in found.items() if not facts.final and not facts.closed]
            jobs = self._look_up(key for key in asked if found[key].sent)
            seen = [self._conclude(k, facts, jobs.get(k, ()), now_ns) for k, facts in found.items()]
        except OSError as error:
            raise self._no_folder(error) from None
        for key in asked:
            if found[key].stop is not None and jobs.get(key):
                self._insist(key, found[key], jobs[key])
        return [observation for observation in seen if observation is not None]

    def cancel(self, key: str, *, grace_seconds: int) -> None:
        self._mounted()
        folder = JobFolder(self._root, key) if is_key(key) else None
        try:
            if folder is None or not folder.exists:
                return
            facts = folder.read()
            if facts.final or facts.closed or not facts.sent or facts.ended_ns is not None:
                return
            if folder.ask_to_stop(grace_seconds):
                self._deadlines.pop(key, None)
                facts = folder.read()
        except OSError as error:
            raise self._no_folder(error) from None
        self._poked.pop(key, None)
        self._insist(key, facts, self._look_up([key])[key])

    def read_log(self, key: str, *, offset: int, limit: int) -> bytes:
        if not is_key(key):
            raise EngineRefused(NAME, "键不合规")
        self._mounted()
        try:
            return JobFolder(self._root, key).read_log(offset, limit)
        except OSError as error:
            raise self._no_folder(error) from None

    # ── beyond the five ───────────────────────────────────────────────────────────────────────

    def forget(self, key: str) -> None:
        """Drop logs and folders of a finished key; the key itself stays used for ever."""
        if is_key(key):
            self._mounted()
            with suppress(OSError):
                JobFolder(self._root, key).forget()
        for kept in (self._numbers, self._deadlines, self._poked, self._seen, self._running_ns):
            kept.pop(key, None)

    def fence(self, key: str) -> bool:
        """Keep a key from ever beginning. False when it has begun."""
        if not is_key(key):
            return True
        self._mounted()
        try:
            return JobFolder(self._root, key).close()
        except OSError as error:
            raise self._no_folder(error) from None

    # ── what may be submitted ─────────────────────────────────────────────────────────────────

    def _check(self, lease: Lease) -> None:
        """Raises EngineRefused for what could never run here."""
        work = lease.work
        if not is_key(lease.engine_key):
            raise EngineRefused(NAME, "键不合规")
        if lease.cluster != self._cluster:
            raise EngineRefused(NAME, f"没有集群 {lease.cluster}，这里是 {self._cluster}")
        if work.image is not None and self._images == "refuse":
            raise EngineRefused(NAME, f"这里不运行容器镜像（{work.image}）")
        if names := bad_variables(lease):
            raise EngineRefused(NAME, f"环境变量名 {names[0]!r} 不能用")
        if work.cards and work.card_milli != WHOLE:
            raise EngineRefused(NAME, "Slurm 集群只给整卡，不能共享一张卡")
        if problem := self._never_fits(work):
            raise EngineRefused(NAME, problem)

    def _never_fits(self, work: Work) -> str | None:
        """Slurm itself would keep a job for more nodes than it has waiting for ever.

        Nodes that are down count: a cluster that restarts must not refuse what it could run.
        """
        if self._nodes is None or self._monotonic() - self._nodes[0] > NODES_KEPT_SECONDS:
            self._ask_nodes()
        assert self._nodes is not None
        room = Room(
            [
                VirtualNode(
                    name=node.offer.name,
                    cpu_milli=node.offer.cpu_milli,
                    memory_mib=node.offer.memory_mib,
                    model=node.offer.model,
                    cards=len(node.offer.cards_free_milli),
                )
                for node in self._nodes[1]
            ]
        )
        return room.never_fits(work)

    def _ask_nodes(self) -> list[SlurmNode]:
        if self._partition is None:
            self._partition = self._client.default_partition()
        nodes = [
            node
            for node in self._client.nodes()
            if self._partition is None or self._partition in node.partitions
        ]
        self._nodes = (self._monotonic(), nodes)
        return nodes

    # ── what Slurm knows ──────────────────────────────────────────────────────────────────────

    def _look_up(self, keys: Iterable[str]) -> dict[str, list[SlurmJob]]:
        """Jobs of each key, by number where one is known, else by our comment in the list."""
        found: dict[str, list[SlurmJob]] = {}
        left = list(keys)
        if len(left) <= ONE_BY_ONE:
            for key in left:
                which = self._numbers.get(key)
                job = None if which is None else self._client.job(which)
                # After a crash the number may be another job's: only the comment tells.
                if job is not None and job.comment == self.comment(key) and job.live:
                    found[key] = [job]
        left = [key for key in left if key not in found]
        if left:
            comments = {self.comment(key): key for key in left}
            listed = known_by_comment(self._client.jobs(), comments)
            found |= {key: listed.get(key, []) for key in left}
            self._numbers |= {
                key: max((job.live, job.number) for job in jobs)[1] for key, jobs in listed.items()
            }
        return found

    def _conclude(
        self, key: str, facts: Facts, jobs: Sequence[SlurmJob], now_ns: int
    ) -> Observation | None:
        silence_ns = self._settings.silence_seconds * 10**9
        seen_ns = self._running_ns.get(key, 0)
        verdict = judge(key, facts, jobs, now_ns=now_ns, silence_ns=silence_ns, seen_ns=seen_ns)
        if facts.ended_ns is None and any("RUNNING" in job.states for job in jobs):
            self._running_ns[key] = now_ns
        for job in jobs if verdict.kill else ():
            self._client.signal(job.number)
        folder = JobFolder(self._root, key)
        if verdict.close_first and not folder.close():
            # It began between the two questions: the next look sees it.
            return Observation(engine_key=key, state=AttemptState.SUBMITTED)
        if verdict.final and verdict.seen is not None:
            folder.decide(verdict.seen)
            self._numbers.pop(key, None)
            self._running_ns.pop(key, None)
        if verdict.seen is not None and verdict.seen == self._seen.get(key):
            return self._seen[key]
        if verdict.seen is not None:
            self._seen[key] = verdict.seen
        return verdict.seen

    def _insist(self, key: str, facts: Facts, jobs: Sequence[SlurmJob]) -> None:
        """Wake the watchers of a job that is to stop; kill what is queued, or still there later.

        The agent's own deadline is only the last resort: the watchers keep it without any agent.
        """
        if facts.stop is None:
            return
        now = self._monotonic()
        deadline = self._deadlines.setdefault(key, now + facts.stop + LATE_SECONDS)
        if now - self._poked.get(key, now - POKE_SECONDS) < POKE_SECONDS:
            return
        self._poked[key] = now
        begun = facts.claimed_ns is not None
        for job in jobs:
            if job.pending or (job.live and now >= deadline):
                self._client.signal(job.number)
            elif job.live and begun:
                with suppress(EngineUnreachable):  # it is starting or cleaning up: watchers look
                    self._client.signal(job.number, "CONT")

    def _shift_us(self) -> int:
        return (self._now() - EPOCH) // timedelta(microseconds=1) - self._disk_clock() // 1000

    def _mounted(self) -> None:
        """An empty mount point must not look like a cluster that knows no key."""
        if not (self._root / HERE).exists():
            raise EngineUnreachable(NAME, f"共享文件夹 {self._settings.shared} 没有挂载")

    def _no_folder(self, error: OSError) -> EngineUnreachable:
        return EngineUnreachable(
            NAME, f"共享文件夹 {self._settings.shared} 出错（{error.strerror}）"
        )
