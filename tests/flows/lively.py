"""A made-up province with some life in it, for the pages: agents that sign, jobs in every state.

Everything goes through the real actions, with the demo's organisations, people, centres and prices.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jinsuan.dispatch import actions as dispatch
from jinsuan.dispatch.actions.place import board_now
from jinsuan.dispatch.pace import SyncPace
from jinsuan.entrypoints.demo.province import Centre, make_province
from jinsuan.entrypoints.demo.setup import prepare_province
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.protocol.envelope import Envelope
from jinsuan.protocol.messages import (
    AttemptReport,
    Lease,
    LogChunk,
    NodeOffer,
    Offer,
    SyncRequest,
    UsageReading,
)
from jinsuan.protocol.parse import parse_spec
from jinsuan.protocol.states import AttemptState, EndCause
from jinsuan.registry.actions.agents import accept_envelope, enrol, issue_enrolment_code
from jinsuan.registry.actions.capacity import apply_inventory
from jinsuan.registry.actions.centres import set_centre_state
from jinsuan.registry.models import Centre as CentreRow, Membership
from jinsuan.registry.queries import centre_id
from jinsuan.vouchers.actions import book_top_up, issue, open_programme

SYSTEM = Actor.system("test")
HTML = "<script>alert(1)</script><b>粗</b>"
"""A job name that would do harm if a page believed it."""


@dataclass(slots=True)
class Mouth:
    """Speaks for one centre's agent, signed; what it may start waits in `leases`."""

    centre: Centre
    id: UUID
    key: Ed25519PrivateKey
    leases: list[Lease] = field(default_factory=list)
    said: int = 0

    @classmethod
    def enrolled(cls, centre: Centre, *, now: datetime) -> Mouth:
        pk = centre_id(centre.code)
        assert pk is not None
        key = Ed25519PrivateKey.generate()
        code = issue_enrolment_code(pk, actor=SYSTEM, now=now)
        enrol(
            code=code,
            centre_code=centre.code,
            public_key=key.public_key().public_bytes_raw(),
            agent_version="0.1.0",
            now=now,
        )
        return cls(centre, pk, key)

    def offer(self, *, now: datetime) -> None:
        """Report all machines as free and there."""
        nodes = tuple(
            NodeOffer(
                name=m.name,
                model=m.model,
                cards_free_milli=(1000,) * m.cards,
                cpu_milli=m.cpu_milli,
                cpu_free_milli=m.cpu_milli,
                memory_mib=m.memory_mib,
                memory_free_mib=m.memory_mib,
            )
            for m in self.centre.nodes
        )
        offers = [Offer(cluster="main", engine="embedded", card_share=True, nodes=nodes)]
        apply_inventory(self.id, offers, actor=SYSTEM, now=now)

    def speak(
        self, *reports: AttemptReport, logs: tuple[LogChunk, ...] = (), now: datetime
    ) -> None:
        """One signed sync."""
        self.said += 1
        envelope = Envelope(
            method="POST",
            path="/agent/v1/sync",
            centre=self.centre.code,
            boot=1,
            sequence=self.said,
            time=int(now.timestamp()),
        )
        accept_envelope(envelope, b"{}", self.key.sign(envelope.signing_bytes(b"{}")), now=now)
        message = SyncRequest(protocol=1, agent_version="0.1.0", reports=reports, logs=logs)
        answer = dispatch.sync(self.id, self.centre.code, message, pace=SyncPace(), now=now)
        known = {lease.attempt for lease in self.leases}
        self.leases += [lease for lease in answer.leases if lease.attempt not in known]


@dataclass(slots=True)
class Lively:
    """The province, its people and its jobs."""

    now: datetime
    password: str
    people: dict[str, Actor]
    mouths: dict[str, Mouth]
    jobs: dict[str, Ref] = field(default_factory=dict)
    revisions: dict[str, int] = field(default_factory=dict)

    def order(self, name: str, *, who: str = "researcher", at: datetime, **more: Any) -> Ref:
        """Order through the real action."""
        raw: dict[str, Any] = {
            "name": name,
            "run": "python train.py",
            "resources": {"accelerators": "Ascend 910B3:8", "cpus": 64, "memory": "256GB"},
            "max_duration": "4h",
            **more,
        }
        spec = parse_spec(raw)
        self.hear(at=at)
        return dispatch.submit(
            spec, board=board_now(now=at), order_key=f"test-{name}", actor=self.people[who], now=at
        )

    def hear(self, *, at: datetime) -> None:
        """Let every agent speak: who is silent gets no jobs."""
        for mouth in self.mouths.values():
            mouth.speak(now=at)

    def place(self, *, at: datetime) -> None:
        """Place what waits, and let every agent fetch its leases."""
        self.hear(at=at)
        dispatch.place_queued(now=at)
        self.hear(at=at)

    def report(
        self,
        job: Ref,
        state: AttemptState,
        *,
        begun: datetime,
        at: datetime,
        log: str = "",
        **more: Any,
    ) -> None:
        """What the job's agent says of it: state, cumulative use, output."""
        mouth, lease = self._lease(job)
        number = self.revisions[lease.attempt] = self.revisions.get(lease.attempt, 0) + 1
        seconds, work = int((at - begun).total_seconds()), lease.work
        held = {"cpu_core": work.cpu_milli, "memory_gib": work.memory_mib * 1000 // 1024}
        if work.model is not None:
            held[f"card:{work.model}"] = work.cards * work.card_milli
        usage = tuple(
            UsageReading(resource=r, milli_unit_seconds=milli * seconds, occurred_at=at)
            for r, milli in held.items()
        )
        said = AttemptReport(
            attempt=lease.attempt,
            fencing=lease.fencing,
            revision=number,
            state=state,
            started_at=begun,
            usage=usage if seconds else (),
            **more,
        )
        logs = (LogChunk(attempt=lease.attempt, offset=0, data=log.encode()),) if log else ()
        mouth.speak(said, logs=logs, now=at)
        dispatch.settle(now=at)

    def _lease(self, job: Ref) -> tuple[Mouth, Lease]:
        for mouth in self.mouths.values():
            for lease in mouth.leases:
                if lease.job == str(job):
                    return mouth, lease
        raise AssertionError(f"nobody holds a lease of {job}")


def make_lively(*, now: datetime, folder: Path) -> Lively:
    """The province three hours before `now`, and what happened since."""
    start = now - timedelta(hours=3)
    prepare_province(now=start, folder=folder)
    mouths = {}
    for centre in make_province().centres:
        mouth = mouths[centre.code] = Mouth.enrolled(centre, now=start)
        mouth.offer(now=start)
    rows = Membership.objects.select_related("person")
    people = {
        row.person.username: Actor(
            person=row.person_id,
            organisation=row.organisation_id,
            role=Role(row.role),
            via="test",
        )
        for row in rows
    }
    world = Lively(
        now=now,
        password=(folder / "password").read_text("ascii"),
        people=people,
        mouths=mouths,
    )
    _money(world, start)
    _jobs(world, start)
    _centres(world)
    return world


def _money(world: Lively, at: datetime) -> None:
    for number, (who, amount) in enumerate((("researcher", "20000"), ("engineer", "200"))):
        tenant = world.people[who].organisation
        assert tenant is not None
        book_top_up(
            tenant=tenant,
            amount=Money.yuan(amount),
            bank_reference=f"TEST{number:04d}",
            actor=world.people["treasury"],
            now=at,
        )
    open_programme(
        code="2025:m09",
        title="2025 年度算力券",
        document="晋政办发〔2024〕35号",
        article="（九）",
        opens_on=date(2025, 1, 1),
        closes_on=date(2025, 12, 31),
        rate=Fraction(3, 10),
        pool=Money.yuan("50000000"),
        actor=world.people["officer"],
        now=at,
    )
    tenant = world.people["researcher"].organisation
    assert tenant is not None
    for face, until in (("600", date(2025, 9, 30)), ("8000", date(2025, 12, 31))):
        issue(
            programme="2025:m09",
            tenant=tenant,
            face=Money.yuan(face),
            expires_on=until,
            reason="按年度计划发放",
            actor=world.people["officer"],
            now=at,
        )


def _jobs(world: Lively, start: datetime) -> None:
    def later(minutes: int) -> datetime:
        return start + timedelta(minutes=minutes)

    jobs = world.jobs
    jobs["settled"] = world.order("语料清洗 08", at=later(1))
    jobs["running"] = world.order("矿井安全大模型微调 第3轮", at=later(2))
    jobs["failed"] = world.order("推理压力测试", at=later(3), max_duration="1h")
    jobs["html"] = world.order(HTML, at=later(4), max_duration="1h")
    world.place(at=later(5))
    ends = {
        65: ("settled", 0, "读入 1,204,880 行\n写出 1,198,402 行\n"),
        20: ("failed", 2, "显存不够\n"),
    }
    live = {"settled": 6, "failed": 7, "running": 8}
    for minute in (8, 12, 20, 60, 65, 90):
        for name, begun in list(live.items()):
            log = _log(minute) if name == "running" else ""
            if minute in ends and ends[minute][0] == name:
                continue
            world.report(
                jobs[name], AttemptState.RUNNING, begun=later(begun), at=later(minute), log=log
            )
        if minute in ends:
            name, code, log = ends[minute]
            world.report(
                jobs[name],
                AttemptState.ENDED,
                begun=later(live.pop(name)),
                at=later(minute),
                ended_at=later(minute),
                exit_code=code,
                cause=EndCause.EXITED,
                log=log,
            )
    jobs["cancelled"] = world.order("试一下", at=later(100), resources={"cpus": 4})
    dispatch.cancel(
        jobs["cancelled"].id, reason="填错了", actor=world.people["researcher"], now=later(101)
    )
    jobs["other"] = world.order(
        "别家的作业",
        who="engineer",
        at=later(110),
        resources={"cpus": 4, "memory": "8GB"},
        max_duration="1h",
    )
    jobs["queued"] = world.order("参数搜索", at=later(170))
    world.report(
        jobs["running"],
        AttemptState.RUNNING,
        begun=later(8),
        at=world.now - timedelta(seconds=8),
        log=_log(172),
    )


def _log(minutes: int) -> str:
    rows = (
        f"{step:4d} 步  loss {3 - step / 400:.4f}  吞吐 41.7k tokens/s  显存 58.1/64.0 GB"
        for step in range(10, minutes * 4 + 10, 10)
    )
    return "节点就绪，8 张卡\n" + "\n".join(rows) + "\n"


def _centres(world: Lively) -> None:
    """Two centres out of touch, one paused, the others heard of just now."""
    for code, mouth in world.mouths.items():
        silent = {"D04": timedelta(minutes=12), "D09": timedelta(hours=1)}.get(code)
        mouth.speak(now=world.now - (silent or timedelta(seconds=8)))
    paused = world.mouths["D05"].id
    set_centre_state(
        paused,
        CentreRow.State.PAUSED,
        reason="例行检修，预计 18:00 恢复",
        actor=world.people["operator"],
        now=world.now,
    )
