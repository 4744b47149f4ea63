"""Import an inventory: all of it, or none, or what has no fault; again changes nothing.

First everything is planned under the locks that writing needs, then it is written or not: a dry
run is the same code and stops there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from jinsuan.kernel.errors import BadInput, NotAllowed
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record
from jinsuan.registry.actions.centres import register_centre
from jinsuan.registry.actions.nodes import Step, plan, write
from jinsuan.registry.catalogue import cities
from jinsuan.registry.errors import InventoryRefused
from jinsuan.registry.inventory import HEADERS, BadLine, CentreLine, Line, Problem
from jinsuan.registry.models import CapacityChange, Centre, Cluster, Organisation

IMPORT = CapacityChange.Source.IMPORT


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did, or with a dry run would do."""

    rows: int
    centres_new: int
    centres_changed: int
    nodes_new: int
    nodes_changed: int
    nodes_unchanged: int
    cards: int
    problems: tuple[Problem, ...]
    written: bool

    @property
    def bad_rows(self) -> frozenset[int]:
        return frozenset(problem.row for problem in self.problems)


@dataclass(slots=True)
class _Sheet:
    """The lines that still stand, and what is wrong with the others."""

    lines: list[Line] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    rows: int = 0

    def reject(self, line: Line, column: str, value: str, problem: str, mend: str) -> None:
        self.problems.append(
            Problem(
                row=line.row,
                column=HEADERS[column][1],
                value=value,
                problem=problem,
                mend=mend,
            )
        )

    def drop_rejected(self) -> None:
        bad = {problem.row for problem in self.problems}
        self.lines = [line for line in self.lines if line.row not in bad]


@transaction.atomic
def import_inventory(
    items: Iterable[Line | BadLine],
    *,
    effective_on: date,
    actor: Actor,
    now: datetime,
    dry_run: bool = False,
    skip_bad: bool = False,
) -> ImportReport:
    """Take over an inventory from a day on.

    Nodes that the file does not name stay as they are; nodes that it names first are installed but
    not online, until the centre's agent reports them.

    Args:
        dry_run: only say what would happen, with every fault.
        skip_bad: take the rows without fault; otherwise one fault refuses the file.

    Raises:
        NotAllowed: the actor runs neither the platform nor a centre.
        BadInput: the day lies ahead.
        InventoryUnreadable: the file as a whole, met while it is read.
        InventoryRefused: some row has a fault, and neither `dry_run` nor `skip_bad` was asked.
    """
    if actor.role not in (Role.PLATFORM_OPERATOR, Role.CENTRE_OPERATOR, Role.SYSTEM):
        raise NotAllowed("导入算力资源清单", "平台运营，或产权单位的算力企业经办人")
    if effective_on > beijing_date(now):
        raise BadInput("生效日", f"{effective_on} 还没有到", "请填今天或以前的日子。")
    sheet = _read(items)
    owners = _check_owners(sheet, actor)
    centres = _check_centres(sheet, owners, actor)
    clusters = _check_clusters(sheet, centres)
    steps = _check_nodes(sheet, clusters, effective_on)
    problems = tuple(sorted(sheet.problems, key=lambda p: p.row))
    bad_rows = len({problem.row for problem in problems})
    if problems and not (dry_run or skip_bad):
        raise InventoryRefused(sheet.rows, bad_rows, problems)
    said = {line.centre.code: line.centre for line in reversed(sheet.lines)}
    changed = {
        code: line
        for code, line in said.items()
        if code in centres and _differs(centres[code], line)
    }
    report = ImportReport(
        rows=sheet.rows,
        centres_new=len(said.keys() - centres.keys()),
        centres_changed=len(changed),
        nodes_new=sum(step.row is None for step in steps),
        nodes_changed=sum(step.row is not None and step.changes for step in steps),
        nodes_unchanged=sum(not step.changes for step in steps),
        cards=sum(step.machine.cards for step in steps),
        problems=problems,
        written=not dry_run,
    )
    if not dry_run:
        writing = _Writing(effective_on=effective_on, actor=actor, now=now)
        _change_centres(changed, centres, actor, now)
        fresh = {code: line for code, line in said.items() if code not in centres}
        ids = {code: row.id for code, row in centres.items()}
        ids |= _register_centres(fresh, owners, writing)
        _write_nodes(steps, clusters, ids, writing)
    return report


def _read(items: Iterable[Line | BadLine]) -> _Sheet:
    sheet = _Sheet()
    for item in items:
        sheet.rows += 1
        if isinstance(item, BadLine):
            sheet.problems += item.problems
        else:
            sheet.lines.append(item)
    return sheet


def _check_owners(sheet: _Sheet, actor: Actor) -> dict[str, UUID]:
    """Who owns: registered, and for a centre's operator nobody else than the own organisation."""
    codes = {line.centre.owner_uscc for line in sheet.lines}
    rows = Organisation.objects.filter(uscc__in=codes)
    owners = dict(rows.values_list("uscc", "id"))
    for line in sheet.lines:
        code = line.centre.owner_uscc
        if actor.role is Role.CENTRE_OPERATOR and owners.get(code) != actor.organisation:
            sheet.reject(
                line,
                "owner_uscc",
                code,
                "不是您所在的机构",
                "算力企业只能导入自己的中心；别的中心请平台运营导入。",
            )
        elif code not in owners:
            sheet.reject(
                line, "owner_uscc", code, "没有登记这个机构", "请先登记产权单位，再导入它的中心。"
            )
    sheet.drop_rejected()
    return owners


def _check_centres(sheet: _Sheet, owners: dict[str, UUID], actor: Actor) -> dict[str, Centre]:
    """Centres that exist, locked. A file never moves one to another owner, and an operator of a
    centre never to another city: which city it is in decides who recommends it."""
    codes = {line.centre.code for line in sheet.lines}
    rows = Centre.objects.select_for_update(no_key=True).filter(code__in=codes).order_by("id")
    centres = {row.code: row for row in rows}
    for line in sheet.lines:
        known = centres.get(line.centre.code)
        if known is None:
            continue
        if known.owner_id != owners[line.centre.owner_uscc]:
            sheet.reject(
                line,
                "centre",
                line.centre.code,
                "这个代码已由别的机构的中心使用",
                "请核对中心代码；产权变更请联系平台运营办理。",
            )
        elif known.adcode != line.centre.adcode and actor.role is Role.CENTRE_OPERATOR:
            sheet.reject(
                line,
                "city",
                cities()[line.centre.adcode].name,
                f"这个中心登记在{cities()[known.adcode].name}",
                "请核对城市；迁址请联系平台运营办理。",
            )
    sheet.drop_rejected()
    return centres


def _check_clusters(sheet: _Sheet, centres: dict[str, Centre]) -> dict[tuple[str, str], Cluster]:
    """Every cluster that the lines name: those that exist, and new ones that are not saved yet."""
    rows = Cluster.objects.filter(centre__in=centres.values()).select_related("centre")
    clusters = {(row.centre.code, row.name): row for row in rows}
    for line in sheet.lines:
        key = (line.centre.code, line.cluster)
        known = clusters.setdefault(key, Cluster(name=line.cluster, engine=line.engine))
        if known.engine != line.engine:
            sheet.reject(
                line,
                "engine",
                line.engine,
                f"这个集群登记的调度引擎是 {known.engine}",
                "请改成一样；换了引擎的，请另起一个集群名。",
            )
    sheet.drop_rejected()
    return clusters


def _check_nodes(
    sheet: _Sheet, clusters: dict[tuple[str, str], Cluster], effective_on: date
) -> list[Step]:
    """Plan every node, and reject what jobs or a later history stand against."""
    lines: dict[tuple[UUID, str], Line] = {}
    said: dict[UUID, list[Line]] = defaultdict(list)
    for line in sheet.lines:
        cluster = clusters[line.centre.code, line.cluster]
        lines[cluster.id, line.machine.name] = line
        said[cluster.id].append(line)
    machines = {cluster: [line.machine for line in many] for cluster, many in said.items()}
    steps = plan(machines, source=IMPORT)
    changing = [step.row.id for step in steps if step.row and step.changes]
    later = CapacityChange.objects.filter(node__in=changing, effective_on__gt=effective_on)
    last_day: dict[UUID, date] = dict(later.values_list("node").annotate(Max("effective_on")))
    for step in steps:
        line = lines[step.cluster, step.machine.name]
        if step.objection:
            sheet.reject(
                line,
                "node",
                step.machine.name,
                step.objection,
                "请等这些作业结束，或先排空这个中心，再导入。",
            )
        elif step.row is not None and step.row.id in last_day:
            sheet.reject(
                line,
                "node",
                step.machine.name,
                f"{last_day[step.row.id]} 已有更晚的变动，不能再从 {effective_on} 起改变",
                "请把生效日填为那一天或以后。",
            )
    sheet.drop_rejected()
    left = {line.row for line in sheet.lines}
    return [s for s in steps if lines[s.cluster, s.machine.name].row in left]


def _differs(row: Centre, line: CentreLine) -> bool:
    return (row.name, row.adcode, row.kind, row.network, row.industry) != (
        line.name,
        line.adcode,
        line.kind,
        line.network,
        line.industry,
    )


def _change_centres(
    changed: dict[str, CentreLine], centres: dict[str, Centre], actor: Actor, now: datetime
) -> None:
    """Let centres say what the file says of them, each with its audit row."""
    notes = []
    for code, line in changed.items():
        row = centres[code]
        before = {"name": row.name, "adcode": row.adcode, "kind": row.kind}
        row.name, row.adcode, row.kind = line.name, line.adcode, line.kind
        row.network, row.industry = line.network, line.industry
        row.save(update_fields=["name", "adcode", "kind", "network", "industry"])
        after = {"name": row.name, "adcode": row.adcode, "kind": row.kind}
        subject = Ref("centre", row.id)
        notes.append(Note(action="centre.change", subject=subject, before=before, after=after))
    record(notes, actor=actor, now=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writing:
    """Who writes, when, and from which day it holds."""

    effective_on: date
    actor: Actor
    now: datetime


def _register_centres(
    said: dict[str, CentreLine], owners: dict[str, UUID], writing: _Writing
) -> dict[str, UUID]:
    return {
        code: register_centre(
            code=code,
            name=line.name,
            owner=owners[line.owner_uscc],
            adcode=line.adcode,
            kind=line.kind,
            network=line.network,
            industry=line.industry,
            effective_from=writing.effective_on,
            actor=writing.actor,
            now=writing.now,
        ).id
        for code, line in said.items()
    }


def _write_nodes(
    steps: Sequence[Step],
    clusters: dict[tuple[str, str], Cluster],
    centres: dict[str, UUID],
    writing: _Writing,
) -> None:
    """Save new clusters that keep a node, write the nodes, and note it once per centre."""
    used = {step.cluster for step in steps}
    saved = set(Cluster.objects.filter(id__in=used).values_list("id", flat=True))
    fresh: list[Cluster] = []
    centre_of: dict[UUID, UUID] = {}
    for (code, _), cluster in clusters.items():
        if cluster.id in used:
            centre_of[cluster.id] = centres[code]
            if cluster.id not in saved:
                cluster.centre_id = centres[code]
                fresh.append(cluster)
    Cluster.objects.bulk_create(fresh)
    write(
        steps,
        source=IMPORT,
        effective_on=writing.effective_on,
        actor=writing.actor,
        now=writing.now,
    )
    touched = Counter(centre_of[step.cluster] for step in steps if step.row is None or step.changes)
    notes = [
        Note(
            action="centre.import",
            subject=Ref("centre", centre),
            after={"nodes": count, "effective_on": writing.effective_on.isoformat()},
        )
        for centre, count in sorted(touched.items())
    ]
    record(notes, actor=writing.actor, now=writing.now)
