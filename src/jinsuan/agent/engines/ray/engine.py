"""The engine of a centre with Ray: the five verbs over the Jobs API.

Ray has a queue that cannot be left: a job that was stopped while it waited is run all the same, for a
moment, once there is room (seen with 2.60). So work waits here, in rows.py, until it fits, and is
then put on one node. And when Ray's head dies, Ray forgets every job: what was handed to an earlier
session is reported as lost, never handed over again, and ends by its own watch (spec.SHIM).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from jinsuan.agent.engines.clock import ahead_seconds
from jinsuan.agent.engines.embedded.folder import bad_variables, is_key
from jinsuan.agent.engines.embedded.room import WHOLE, Room
from jinsuan.agent.engines.errors import EngineRefused, EngineUnreachable
from jinsuan.agent.engines.ray import judge, spec
from jinsuan.agent.engines.ray.client import ENGINE, AlreadyThere, RayAccess, RayClient
from jinsuan.agent.engines.ray.nodes import RayNode, read_nodes, take_others
from jinsuan.agent.engines.ray.rows import Row, Rows
from jinsuan.agent.engines.spool import Spool
from jinsuan.protocol.messages import Lease, Observation, Offer

log = structlog.get_logger(__name__)

LOG_PATIENCE = timedelta(seconds=60)
LOG_BYTES = 16 * 2**20
_SUPERVISOR = "_ray_internal_job_actor_"


class RayEngine:
    """A centre's Ray cluster. One engine per folder; the folder must be on a local disk.

    Args:
        folder: what is remembered of every key, and output; made when missing.
        now: the agent's clock. Times of jobs are those of Ray's nodes.
        cluster: the name under which the capacity is offered.
    """

    name = ENGINE

    def __init__(
        self,
        folder: Path,
        access: RayAccess,
        *,
        now: Callable[[], datetime],
        cluster: str = ENGINE,
    ) -> None:
        self._now, self._cluster = now, cluster
        self._rows = Rows(folder / "keys")
        self._spool = Spool(folder / "output")
        self._ray = RayClient(access)
        self._unread: dict[str, datetime] = {}

    def close(self) -> None:
        """Let go of the connections. The jobs go on."""
        self._ray.close()

    def version(self) -> str:
        """The version of Ray, such as `2.60.0`."""
        return str(self._ray.version()["ray_version"])

    # ── the five verbs ────────────────────────────────────────────────────────────────────────

    def offers(self) -> Sequence[Offer]:
        with self._asking():
            nodes = read_nodes(self._ray.nodes())
            found = self._room(nodes).offers()
        return (Offer(cluster=self._cluster, engine=self.name, nodes=found, gang=False),)

    def submit(self, lease: Lease) -> None:
        key = lease.engine_key
        if not is_key(key):
            raise EngineRefused(self.name, f"键 {key[:60]!r} 不能作作业编号")
        with self._asking():
            if key not in self._rows:
                nodes = read_nodes(self._ray.nodes())
                if problem := self._problem(lease, nodes):
                    raise EngineRefused(self.name, problem)
                self._rows.add(key, lease)
            self._hand_over(self._session())

    def observe(self, keys: Sequence[str]) -> Sequence[Observation]:
        with self._asking():
            session = self._session()
            for row in self._rows:
                if row.runs:
                    self._look(row, session)
            self._hand_over(session)
            known = [self._rows.get(key) for key in dict.fromkeys(keys)]
            return [
                row.end or judge.standing(row)
                for row in known
                if row is not None and (row.end or not row.fenced)
            ]

    def cancel(self, key: str, *, grace_seconds: int) -> None:  # noqa: ARG002 - see STOP_SECONDS
        """Ray has one grace per job, which it is told beforehand: spec.STOP_SECONDS."""
        with self._asking():
            row = self._rows.get(key)
            if row is None or row.end is not None or row.fenced:
                return
            if row.waits:
                self._finish(row, judge.withdrawn(row))
                return
            self._rows.put(replace(row, stopping=True))
            self._ray.stop(key)

    def read_log(self, key: str, *, offset: int, limit: int) -> bytes:
        if not is_key(key) or offset < 0 or limit < 0:
            raise EngineRefused(
                self.name, f"不能读键 {key[:60]!r} 从 {offset} 起 {limit} 字节的日志"
            )
        with self._asking():
            data = self._spool.read(key, offset, limit)
            row = self._rows.get(key)
            if len(data) < limit and row is not None and row.runs and row.started_at is not None:
                try:
                    self._pull(key, self._ray.log(key), limit)
                except EngineUnreachable:
                    if not data:
                        raise
                data = self._spool.read(key, offset, limit)
            return data

    def forget(self, key: str) -> None:
        """Drop the output of an ended key. The key stays used."""
        row = self._rows.get(key)
        if row is not None and row.end is not None:
            with self._asking():
                self._spool.drop(key)

    def fence(self, key: str) -> bool:
        """Keep a key from ever being handed over. False once it has been: then Ray may run it."""
        if not is_key(key):
            return True
        with self._asking():
            row = self._rows.get(key)
            if row is None:
                if self._ray.job(key) is not None:
                    return False  # handed over by an agent whose folder is gone
                self._rows.add(key, None, fenced=True)
            elif row.waits:
                self._rows.put(replace(row, fenced=True, lease=None))
            else:
                return row.fenced
            return True

    # ── one turn ──────────────────────────────────────────────────────────────────────────────

    def _look(self, row: Row, session: str) -> None:
        """Bring one handed-over key up to date."""
        if row.session != session:
            self._finish(row, judge.lost(row, "Ray 的头节点重启过，它忘记了所有作业"))
            return
        job = self._ray.job(row.key)
        if job is None:
            self._missing(row)
            return
        row = replace(row, accepted=True, alive_at=self._now())
        over, text = job["status"] in judge.OVER, None
        if over or (row.started_at is None and job["status"] == "RUNNING"):
            text = self._log(row.key, over=over)
        if row.started_at is None and text and (began := spec.began_ms(text)) is not None:
            row = replace(row, started_at=judge.instant(row, began))
        self._rows.put(row)
        if over and text is not None:
            self._pull(row.key, text, LOG_BYTES)
            self._finish(row, judge.ended(row, job))
        elif row.stopping and not over:
            self._ray.stop(row.key)  # a stop that came before its supervisor lived has no effect

    def _log(self, key: str, *, over: bool) -> str | None:
        """A job's log, None when it should be asked for again: it lies on the job's node, and a node
        that is gone must not keep the end of its jobs from being told.
        """
        try:
            text = self._ray.log(key)
        except EngineUnreachable as error:
            since = self._unread.setdefault(key, self._now())
            if not over or self._now() - since < LOG_PATIENCE:
                return None
            log.warning("log.lost", key=key, problem=error.problem)
            text = ""
        self._unread.pop(key, None)
        return text

    def _missing(self, row: Row) -> None:
        """This session of Ray does not know a key that was, or was to be, handed over."""
        if row.accepted:
            self._finish(row, judge.lost(row, "作业已从 Ray 里删除"))
        elif not row.stopping:
            self._send(row)
        else:
            # Its submission may still be on its way: a job that does nothing takes its number.
            try:
                self._ray.submit({"submission_id": row.key, "entrypoint": "true"})
            except AlreadyThere:
                return
            self._finish(row, judge.withdrawn(row))

    def _finish(self, row: Row, end: Observation) -> None:
        self._rows.put(replace(row, end=end, lease=None))

    def _hand_over(self, session: str) -> None:
        """First come, first served, but what does not fit lets later work pass."""
        waiting = [row for row in self._rows if row.waits]
        if not waiting:
            return
        nodes = read_nodes(self._ray.nodes())
        room = self._room(nodes)
        for row in waiting:
            assert row.lease is not None, row.key
            found = room.find(row.lease.work, row.lease.nodes)
            if found is None:
                continue
            room.take(found)
            ahead = ahead_seconds(self._now(), self._ray.date)
            placed = replace(row, session=session, share=found[0], ahead_seconds=ahead)
            self._rows.put(placed)  # before Ray hears of it
            self._send(placed)

    def _send(self, row: Row) -> None:
        """Hand a key to Ray under its own number; the second time changes nothing."""
        assert row.lease is not None
        assert row.share is not None
        node = read_nodes(self._ray.nodes()).get(row.share.node)
        if node is None:
            raise EngineUnreachable(self.name, f"节点 {row.share.node} 不在了")
        try:
            self._ray.submit(spec.request(row.lease, node))
        except AlreadyThere:
            log.info("job.known_already", key=row.key)
        except EngineRefused as error:
            self._finish(row, judge.refused(row, error.problem))
            return
        self._rows.put(replace(row, accepted=True))

    def _room(self, nodes: dict[str, RayNode]) -> Room:
        """What is free now, as far as Ray's actors and our own keys tell."""
        room = Room([node.node for node in nodes.values()])
        for row in self._rows:
            if row.runs and row.share is not None:
                room.take([row.share])
        names = {_SUPERVISOR + row.key for row in self._rows}
        take_others(room, nodes, [a for a in self._ray.actors() if a.get("name") not in names])
        return room

    def _pull(self, key: str, text: str, limit: int) -> None:
        whole = spec.output(text)
        self._spool.fill(key, [lambda at, most: whole[at : at + most]], limit)

    # ── small things ──────────────────────────────────────────────────────────────────────────

    def _problem(self, lease: Lease, nodes: dict[str, RayNode]) -> str | None:
        work = lease.work
        if lease.cluster != self._cluster:
            return f"没有集群 {lease.cluster[:60]!r}，这里是 {self._cluster}"
        if work.num_nodes != 1:
            return "Ray 上的作业只能用一个节点"
        if work.cards and work.card_milli != WHOLE:
            return "此集群不支持共享卡，只能要整卡"
        if work.image is not None:
            return "Ray 直接运行进程，不能使用容器镜像"
        if bad := bad_variables(lease):
            return f"环境变量名 {bad[0][:60]!r} 不合规，应为字母、数字和下划线"
        if (size := spec.size(lease)) > spec.MOST_BYTES:
            return f"脚本和环境变量合计 {size} 字节（base64），至多 {spec.MOST_BYTES}"
        return Room([node.node for node in nodes.values()]).never_fits(work)

    def _session(self) -> str:
        return str(self._ray.version()["session_name"])

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise EngineUnreachable(self.name, f"磁盘出错：{error}") from error
