"""The engine of a centre with Kubernetes: the five verbs over its API server.

It works whenever it is asked something, like the embedded engine, and keeps nothing that it needs
but in the API server. What each thing there is for:

    Job <key>         what to run; the scheduler's. 409 on its making means that it was made before
    pods of the Job   where it runs; a finalizer holds each until its end is written down
    ConfigMap <key>   the record: which pods may run the work, then how it ended. Made once, kept
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from jinsuan.agent.engines.clock import ahead_seconds
from jinsuan.agent.engines.embedded.folder import is_key
from jinsuan.agent.engines.errors import EngineRefused, EngineUnreachable
from jinsuan.agent.engines.kubernetes import judge, pods as pods_api, record as records, spec
from jinsuan.agent.engines.kubernetes.client import (
    ENGINE,
    Access,
    KubeClient,
    NotThere,
    TakenAlready,
)
from jinsuan.agent.engines.kubernetes.judge import Stop
from jinsuan.agent.engines.kubernetes.output import Output
from jinsuan.agent.engines.kubernetes.record import Record
from jinsuan.agent.engines.kubernetes.room import Nodes
from jinsuan.agent.engines.kubernetes.sight import Sight, shares, stamp, work_of
from jinsuan.protocol.messages import Lease, Observation, Offer
from jinsuan.protocol.states import AttemptState, EndCause

log = structlog.get_logger(__name__)

IMAGE_SECONDS = 600
"""How much longer than its running time a chosen pod may be there, for its image to arrive."""
GATHER_SECONDS = 30
"""How long the first pods of a gang may hold their places before the last has one."""
_ALIVE = "status.phase!=Succeeded,status.phase!=Failed"


class KubernetesEngine:
    """A centre's Kubernetes cluster. One engine per cluster name and namespace.

    Args:
        folder: for output taken over from pods; made when missing.
        now: the agent's clock. Times of jobs are the cluster's own, in whole seconds.
        cluster: the name under which the capacity is offered.
    """

    name = ENGINE

    def __init__(
        self,
        folder: Path,
        access: Access,
        rules: spec.Rules,
        *,
        now: Callable[[], datetime],
        cluster: str = ENGINE,
    ) -> None:
        self._now, self._cluster, self._rules = now, cluster, rules
        self._api = KubeClient(access)
        space = rules.namespace
        self._jobs = f"/apis/batch/v1/namespaces/{space}/jobs"
        self._pods = f"/api/v1/namespaces/{space}/pods"
        self._output = Output(folder, self._api, self._pods)
        self._maps = f"/api/v1/namespaces/{space}/configmaps"
        self._ours = f"app.kubernetes.io/managed-by=jinsuan,{spec.CLUSTER}={cluster}"

    def close(self) -> None:
        """Let go of the connections. The jobs go on."""
        self._api.close()

    def version(self) -> str:
        """The version of the API server, such as `v1.20.2`."""
        with self._asking():
            return str(self._api.get("/version")["gitVersion"])

    # ── the five verbs ────────────────────────────────────────────────────────────────────────

    def offers(self) -> Sequence[Offer]:
        with self._asking():
            pods = self._api.list("/api/v1/pods", fieldSelector=_ALIVE)
            living = {p["metadata"]["name"] for p in pods}
            shares = [
                share
                for record in map(records.read, self._open(self._maps))
                for pod, share in zip(record.pods, record.shares, strict=True)
                if pod in living
            ]
            nodes = self._nodes().offers(pods, shares)
        return (Offer(cluster=self._cluster, engine=self.name, nodes=nodes, gang=True),)

    def submit(self, lease: Lease) -> None:
        key = lease.engine_key
        if not spec.is_name(key):
            raise EngineRefused(self.name, f"键 {key[:60]!r} 不能作 Job 的名字")
        with self._asking():
            if self._find(f"{self._maps}/{key}"):
                return
            if job := self._find(f"{self._jobs}/{key}"):
                if job["metadata"].get("labels", {}).get(spec.KEY) != key:
                    raise EngineRefused(self.name, f"已有一个不是代理的 Job {key}")
                return
            nodes = self._nodes()
            if problem := self._problem(lease, nodes):
                raise EngineRefused(self.name, problem)
            try:
                self._api.post(
                    self._jobs, spec.job(lease, self._rules, *nodes.selection(lease.work))
                )
            except TakenAlready:
                return

    def observe(self, keys: Sequence[str]) -> Sequence[Observation]:
        with self._asking():
            sight = self._look()
            for key in sorted(sight.jobs):
                self._tend(key, sight)
            self._sweep(sight)
            wanted = dict.fromkeys(keys)
            found = [seen for key in wanted if (seen := sight.seen.get(key))]
            for key in wanted:
                if key not in sight.seen and spec.is_name(key):
                    kept = self._find(f"{self._maps}/{key}")
                    if kept and (end := records.read(kept).end):
                        found.append(end)
            return found

    def cancel(self, key: str, *, grace_seconds: int) -> None:
        if not spec.is_name(key):
            return
        with self._asking():
            job = self._find(f"{self._jobs}/{key}")
            if job is not None and spec.ENDED not in job["metadata"]["labels"]:
                self._stop(job, Stop(EndCause.CANCELLED), grace_seconds)

    def read_log(self, key: str, *, offset: int, limit: int) -> bytes:
        if not is_key(key) or offset < 0 or limit < 0:
            raise EngineRefused(
                self.name, f"不能读键 {key[:60]!r} 从 {offset} 起 {limit} 字节的日志"
            )
        if not spec.is_name(key):
            return b""
        with self._asking():
            data = self._output.read(key, offset, limit)
            if len(data) < limit:
                kept = self._find(f"{self._maps}/{key}")
                if kept is not None and (pods := records.read(kept).pods):
                    try:
                        self._output.pull(key, pods, limit)
                    except EngineUnreachable:
                        if not data:
                            raise
                    data = self._output.read(key, offset, limit)
            return data

    def forget(self, key: str) -> None:
        """Drop Job, pods and output of an ended key. Its record stays, so the key stays used."""
        if not spec.is_name(key):
            return
        with self._asking():
            job = self._find(f"{self._jobs}/{key}")
            if job is not None and spec.ENDED in job["metadata"]["labels"]:
                self._api.delete(f"{self._jobs}/{key}", {"propagationPolicy": "Background"})
                job = None
            if job is None:
                self._output.drop(key)

    def fence(self, key: str) -> bool:
        """Make an empty record, so that not even a Job that arrives late can start its work."""
        if not spec.is_name(key):
            return True
        with self._asking():
            return not self._make(None, Record(key)).pods

    # ── one turn ──────────────────────────────────────────────────────────────────────────────

    def _look(self) -> Sight:
        """Everything of ours that has not been written down as ended. Jobs first: a pod whose Job
        is not among them belongs to one that has ended, or came after the look at Jobs.
        """
        sight = Sight(jobs={j["metadata"]["name"]: j for j in self._open(self._jobs)})
        for pod in self._open(self._pods):
            meta = pod["metadata"]
            sight.pods.setdefault(meta["labels"][spec.KEY], {})[meta["name"]] = pod
        for record in map(records.read, self._open(self._maps)):
            sight.records[record.key] = record
        return sight

    def _tend(self, key: str, sight: Sight) -> None:
        """Bring one open key on by as much as can be done now, and see how it stands."""
        job, pods = sight.jobs[key], sight.pods.get(key, {})
        record = sight.records.get(key)
        words = judge.has_failed(job)
        if record is None and words is not None and Stop.of(job) is None:
            job = sight.jobs[key] = self._stop(
                job, Stop(EndCause.ENGINE_REFUSED, words), 0
            )  # no node took its pod
        if record is None and (words is not None or Stop.of(job) is not None):
            record = self._make(job, Record(key))  # or a stop that was cut off: it never starts
        if record is None:
            record = self._start(job, pods, sight)
        if record is not None and record.end is None:
            self._fail_together(job, record, pods)
        seen = None if record is None else record.end
        if seen is None:
            seen = judge.observe(job, record, pods, max_run_seconds=work_of(job).max_run_seconds)
        if record is not None:
            sight.records[key] = record
        if seen.state is AttemptState.ENDED:
            if record is not None and record.pods:
                self._output.pull_last(key, record.pods, pods)
            self._settle(key, seen, pods)
        sight.seen[key] = seen

    def _start(self, job: Any, pods: dict[str, Any], sight: Sight) -> Record | None:
        """Let the work start if as many pods as it has ranks have their places."""
        key, size = job["metadata"]["name"], int(job["spec"]["completions"])
        placed = sorted(
            (p["spec"]["nodeName"], p["metadata"]["name"])
            for p in pods.values()
            if p["spec"].get("nodeName")
            and pods_api.lives(p)
            and not p["metadata"].get("deletionTimestamp")
        )
        if len(placed) < size:
            if size > 1 and self._rules.queue is None:  # Kueue admits all of it or nothing itself
                self._gather(job, len(placed), sight)
            return None
        placed = placed[:size]
        held = shares(job, [node for node, _ in placed], sight)
        for _, name in placed:
            self._limit(pods[name], work_of(job).max_run_seconds)
        ahead = ahead_seconds(self._now(), self._api.date)
        return self._make(job, Record(key, tuple(name for _, name in placed), held, ahead))

    def _limit(self, pod: Any, seconds: int) -> None:
        """A bound that the node itself keeps. The exact one is kept inside the container, from when
        the work began; a Job's own deadline would count its time in the queue.
        """
        now = self._api.date or self._now()
        began = datetime.fromisoformat(pod["status"].get("startTime") or stamp(now))
        waited = max(0, int((now - began).total_seconds()))
        limit = {"spec": {"activeDeadlineSeconds": waited + seconds + IMAGE_SECONDS}}
        try:
            self._api.patch(f"{self._pods}/{pod['metadata']['name']}", limit)
        except NotThere:
            return  # gone already: the record will name it and find it lost

    def _gather(self, job: Any, placed: int, sight: Sight) -> None:
        """Give a gang its pods when there is room for all, and take them back when some got no
        place in time: else two gangs could hold half of what each needs for ever.
        """
        released = int(job["spec"]["parallelism"]) > 0
        since = job["metadata"]["annotations"].get(spec.HELD)
        waited = self._now() - datetime.fromisoformat(since) if since else None
        patient = waited is not None and waited <= timedelta(seconds=GATHER_SECONDS)
        if released and placed and not patient:
            self._release(job, 0)
        elif not released and not patient and self._has_room(job, sight):
            self._release(job, int(job["spec"]["completions"]))

    def _release(self, job: Any, pods: int) -> None:
        log.info("gang.pods", key=job["metadata"]["name"], pods=pods)
        held = {spec.HELD: stamp(self._now())}
        self._api.patch(
            f"{self._jobs}/{job['metadata']['name']}",
            {"metadata": {"annotations": held}, "spec": {"parallelism": pods}},
        )

    def _has_room(self, job: Any, sight: Sight) -> bool:
        if sight.free is None:
            pods = self._api.list("/api/v1/pods", fieldSelector=_ALIVE)
            sight.free = self._nodes().free(pods)
        found = sight.free.find(work_of(job))
        if found is not None:
            sight.free.take(found)
        return found is not None

    def _make(self, job: Any | None, record: Record) -> Record:
        """Make the record, or read the one that was there first."""
        try:
            self._api.post(self._maps, records.to_make(record, self._cluster, job))
        except TakenAlready:
            kept = self._find(f"{self._maps}/{record.key}")
            if kept is None or kept["metadata"].get("labels", {}).get(spec.KEY) != record.key:
                raise EngineRefused(self.name, f"ConfigMap {record.key} 不是代理的") from None
            return records.read(kept)
        return record

    def _fail_together(self, job: Any, record: Record, pods: dict[str, Any]) -> None:
        """One rank that fails ends the others. The Job controller does so for some failures only."""
        ranks = {name: judge.rank_of(pods.get(name)) for name in record.pods}
        if any(rank.bad for rank in ranks.values()):
            left = [
                pods[n]
                for n, rank in ranks.items()
                if not rank.over and not pods_api.going(pods[n])
            ]
            pods_api.end(self._api, self._pods, left, spec.TIDY_SECONDS)
        elif any(judge.never_starts(pods.get(name)) for name in record.pods):
            self._stop(job, Stop(EndCause.ENGINE_REFUSED, "镜像不能使用"), 0)

    def _settle(self, key: str, seen: Observation, pods: dict[str, Any]) -> None:
        """Write the end down, and only then let go of the pods."""
        label = {"metadata": {"labels": {spec.ENDED: "true"}}}
        self._api.patch(f"{self._maps}/{key}", records.ending(seen))
        try:
            self._api.patch(f"{self._jobs}/{key}", label)
        except NotThere:
            log.warning("job.removed_by_others", key=key)
        for pod in pods.values():
            pods_api.let_go(self._api, self._pods, pod)

    def _sweep(self, sight: Sight) -> None:
        """Let go of pods that came when their Job's end had been written down already, and of those
        that a Job made in place of one that was taken away.
        """
        for key, pods in sight.pods.items():
            if key not in sight.jobs:
                job = self._find(f"{self._jobs}/{key}")
                if job is not None and spec.ENDED not in job["metadata"]["labels"]:
                    continue
                chosen: tuple[str, ...] = ()
            else:
                chosen = sight.records.get(key, Record(key)).pods
            for name, pod in pods.items():
                if name not in chosen and (pods_api.going(pod) or not pods_api.lives(pod)):
                    pods_api.let_go(self._api, self._pods, pod)

    def _stop(self, job: Any, stop: Stop, grace_seconds: int) -> Any:
        """Note that it shall end, then end it. In this order: a cut-off stop is known as one.

        Returns:
            The Job as it is then.
        """
        key = job["metadata"]["name"]
        if Stop.of(job) is None:
            note = {"metadata": {"annotations": {spec.STOP: stop.text()}}}
            job = self._api.patch(f"{self._jobs}/{key}", note)
        self._make(job, Record(key))
        pods = self._api.list(self._pods, labelSelector=f"{self._ours},{spec.KEY}={key}")
        pods_api.end(
            self._api, self._pods, [pod for pod in pods if pods_api.lives(pod)], grace_seconds
        )
        # After its pods are asked, with their own grace: the controller would ask with another.
        return self._api.patch(f"{self._jobs}/{key}", {"spec": {"parallelism": 0}})

    # ── small things ──────────────────────────────────────────────────────────────────────────

    def _problem(self, lease: Lease, nodes: Nodes) -> str | None:
        if lease.cluster != self._cluster:
            return f"没有集群 {lease.cluster[:60]!r}，这里是 {self._cluster}"
        return nodes.whole().never_fits(lease.work) or spec.problem(lease, self._rules)

    def _nodes(self) -> Nodes:
        return Nodes(self._api.list("/api/v1/nodes"), self._rules.models)

    def _open(self, path: str) -> list[dict[str, Any]]:
        return self._api.list(path, labelSelector=f"{self._ours},!{spec.ENDED}")

    def _find(self, path: str) -> dict[str, Any] | None:
        try:
            return self._api.get(path)
        except NotThere:
            return None

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except (NotThere, TakenAlready) as error:
            raise EngineUnreachable(self.name, f"对象在两次请求之间变了：{error}") from error
        except OSError as error:
            raise EngineUnreachable(self.name, f"磁盘出错：{error}") from error
