"""Importing inventories into the real tables, and by the real command."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner

from jinsuan.kernel.errors import BadInput, NotAllowed
from jinsuan.kernel.ids import new_id
from jinsuan.kernel.ref import Actor, Role
from jinsuan.ledger.models import AuditRow
from jinsuan.protocol.messages import NodeOffer, Offer
from jinsuan.registry.actions.capacity import apply_inventory, reserve
from jinsuan.registry.capacity import Share
from jinsuan.registry.errors import InventoryRefused
from jinsuan.registry.models import CapacityChange, Card, Centre, Cluster, Node
from jinsuan.registry.queries_capacity import capacity_on
from jinsuan.registry.queries_people import registrar
from tests.flows.inventories import NOW, TODAY, counts, rows, sheet, take
from tests.flows.world import SYSTEM, organisation, person, uscc

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> UUID:
    return organisation(1, "甲算力", NOW)


@pytest.fixture
def operator(owner: UUID) -> Actor:
    return person("sun", organisation(7, "平台公司", NOW), Role.PLATFORM_OPERATOR, NOW)


def everything() -> tuple[int, ...]:
    tables = (Centre, Cluster, Node, Card, CapacityChange, AuditRow)
    return tuple(model.objects.count() for model in tables)


def test_a_file_becomes_centres_clusters_nodes_and_cards(operator: Actor) -> None:
    report = take(sheet(rows(3)), operator)

    assert (report.centres_new, counts(report), report.cards) == (1, (3, 0, 0), 24)
    assert Card.objects.count() == 24
    centre = Centre.objects.get(code="TY01")
    found = capacity_on(centre.id, TODAY).cards("Ascend 910B3")
    assert (found.installed, found.online) == (24, 0), "a list on paper brings nothing online"


def test_a_second_import_changes_nothing_and_writes_nothing(operator: Actor) -> None:
    take(sheet(rows(3)), operator)
    before = everything()
    report = take(sheet(rows(3)), operator)

    assert counts(report) == (0, 0, 3)
    assert everything() == before


def test_changes_are_told_apart_from_what_stays(operator: Actor) -> None:
    take(sheet(rows(3)), operator)
    changed = rows(4, centre_name="太原第一中心")
    changed[1]["cards"] = "4"
    report = take(sheet(changed), operator)

    assert (report.centres_new, report.centres_changed) == (0, 1)
    assert counts(report) == (1, 1, 2)
    assert Centre.objects.get().name == "太原第一中心"
    assert Card.objects.filter(node__name="n2").count() == 4


def test_one_bad_row_refuses_the_file_and_every_bad_row_is_listed(operator: Actor) -> None:
    bad = rows(5)
    bad[1]["model"] = "910B3"
    bad[3]["city"] = "北京"
    bad[3]["cards"] = "x"
    before = everything()

    with pytest.raises(InventoryRefused) as refused:
        take(sheet(bad), operator)
    assert everything() == before
    assert [(p.row, p.column) for p in refused.value.problems] == [
        (3, "加速卡型号"),
        (5, "城市"),
        (5, "卡数"),
    ]
    assert "Ascend 910B3" in refused.value.problems[0].mend
    assert "共 5 行，其中 2 行有错" in refused.value.explain()


def test_a_dry_run_says_what_would_happen_and_writes_nothing(operator: Actor) -> None:
    bad = rows(3)
    bad[2]["owner_uscc"] = uscc(99)
    before = everything()
    report = take(sheet(bad), operator, dry_run=True)

    assert everything() == before
    assert (report.written, counts(report)) == (False, (2, 0, 0))
    assert report.bad_rows == {4}


def test_skipping_bad_rows_takes_the_others(operator: Actor) -> None:
    bad = rows(3)
    bad[0]["memory_gib"] = "-1"
    report = take(sheet(bad), operator, skip_bad=True)

    assert (report.written, counts(report), report.bad_rows) == (True, (2, 0, 0), {2})
    assert set(Node.objects.values_list("name", flat=True)) == {"n2", "n3"}


def test_an_owner_that_is_not_registered_is_a_fault_of_the_row(operator: Actor) -> None:
    with pytest.raises(InventoryRefused) as refused:
        take(sheet(rows(1, owner_uscc=uscc(99))), operator)
    assert "没有登记" in refused.value.problems[0].problem


@pytest.mark.parametrize("role", [r for r in Role if r is not Role.SYSTEM])
@pytest.mark.parametrize("own", [True, False], ids=["own", "other"])
def test_who_may_import_for_whom(role: Role, own: bool, owner: UUID) -> None:
    other = organisation(8, "别的单位", NOW)
    actor = Actor(person=new_id(), organisation=owner if own else other, role=role, via="test")
    if role is Role.PLATFORM_OPERATOR or (role is Role.CENTRE_OPERATOR and own):
        assert take(sheet(rows(1)), actor).nodes_new == 1
    elif role is Role.CENTRE_OPERATOR:
        with pytest.raises(InventoryRefused) as refused:
            take(sheet(rows(1)), actor)
        assert "不是您所在的机构" in refused.value.problems[0].problem
    else:
        with pytest.raises(NotAllowed):
            take(sheet(rows(1)), actor)


def test_a_file_never_takes_over_the_centre_of_another_owner(operator: Actor, owner: UUID) -> None:
    take(sheet(rows(1)), operator)
    thief = organisation(2, "乙算力", NOW)
    actor = Actor(person=new_id(), organisation=thief, role=Role.CENTRE_OPERATOR, via="test")

    with pytest.raises(InventoryRefused) as refused:
        take(sheet(rows(1, owner_uscc=uscc(2))), actor)
    assert "别的机构" in refused.value.problems[0].problem
    assert Centre.objects.get().owner_id == owner


def test_what_jobs_hold_is_not_taken_away_by_a_file(operator: Actor) -> None:
    take(sheet(rows(2)), operator)
    Node.objects.update(online=True)
    node = Node.objects.get(name="n2")
    share = Share(node_id=node.id, cards=(0,), card_milli=1000, cpu_milli=1000, memory_mib=1)
    assert reserve([(new_id(), [share])], now=NOW) == []

    with pytest.raises(InventoryRefused) as refused:
        take(sheet(rows(2, cards="4")), operator)
    assert [p.row for p in refused.value.problems] == [3]
    assert "卡上还有作业" in refused.value.problems[0].problem
    assert take(sheet(rows(2, cards="16")), operator).nodes_changed == 2, "more is always fine"


def test_a_file_leaves_online_as_the_agent_saw_it(operator: Actor) -> None:
    take(sheet(rows(2)), operator)
    centre = Centre.objects.get()
    seen = NodeOffer(
        name="n1",
        model="Ascend 910B3",
        cards_free_milli=(1000,) * 8,
        cpu_milli=192_000,
        cpu_free_milli=192_000,
        memory_mib=2**20,
        memory_free_mib=2**20,
    )
    offers = [Offer(cluster="main", engine="slurm", nodes=(seen,))]
    apply_inventory(centre.id, offers, actor=SYSTEM, now=NOW)
    take(sheet(rows(2, cpu_cores="128")), operator)

    assert dict(Node.objects.values_list("name", "online")) == {"n1": True, "n2": False}
    found = capacity_on(centre.id, TODAY)
    assert (found.nodes_installed, found.nodes_online) == (2, 1)


def test_another_engine_for_a_known_cluster_is_a_fault(operator: Actor) -> None:
    take(sheet(rows(1)), operator)
    with pytest.raises(InventoryRefused) as refused:
        take(sheet(rows(1, engine="ray")), operator)
    assert "slurm" in refused.value.problems[0].problem


def test_the_past_is_not_rewritten_behind_a_later_change(operator: Actor) -> None:
    take(sheet(rows(2)), operator, effective_on=date(2025, 3, 1))
    take(sheet(rows(1, cards="4")), operator, effective_on=date(2025, 6, 1))
    centre = Centre.objects.get().id

    with pytest.raises(InventoryRefused) as refused:
        take(sheet(rows(2, cards="2")), operator, effective_on=date(2025, 5, 1))
    assert [(p.row, p.column) for p in refused.value.problems] == [(2, "节点")]
    assert "2025-06-01" in refused.value.problems[0].problem
    with pytest.raises(BadInput, match="还没有到"):
        take(sheet(rows(1)), operator, effective_on=date(2025, 9, 17))
    installed = [
        capacity_on(centre, day).cards("Ascend 910B3").installed
        for day in (date(2025, 2, 28), date(2025, 3, 1), date(2025, 6, 1))
    ]
    assert installed == [0, 16, 12]


# The command


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """`jinsuan registry …` in this process and transaction, on the business clock of the test."""
    from jinsuan.entrypoints import clock
    from jinsuan.entrypoints.cli import app
    from jinsuan.entrypoints.cli.show import fail
    from jinsuan.kernel.errors import DomainError

    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.chdir(tmp_path)

    def command(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["registry", *words])
        if isinstance(done.exception, DomainError):
            with pytest.raises(SystemExit) as ended:
                fail(done.exception)
            return int(str(ended.value.code)), done.output + done.exception.explain()
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.output

    return command


def test_the_command_imports_and_reports(
    operator: Actor, run: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    bad = rows(3)
    bad[1]["city"] = "北京"
    (tmp_path / "list.csv").write_bytes(sheet(bad))

    code, said = run("import", "list.csv", "--as", "sun")
    assert code == 2
    assert "一行也没有导入" in said
    assert Node.objects.count() == 0
    code, said = run("import", "list.csv", "--as", "sun", "--skip-bad", "--json")
    assert code == 1
    assert json.loads(said)["nodes_new"] == 2
    with (tmp_path / "rejected.csv").open(encoding="utf-8-sig", newline="") as file:
        rejected = list(csv.DictReader(file))
    assert [row["city"] for row in rejected] == ["北京"]

    rejected[0]["city"] = "太原"
    (tmp_path / "mended.csv").write_bytes(sheet(rejected))
    code, said = run("import", "mended.csv", "--as", "sun")
    assert (code, Node.objects.count()) == (0, 3)
    assert "节点新增 1、变更 0、不变 0" in said
    code, said = run("capacity", "TY01")
    assert "装机 7.512 PFLOPS，在线 0 PFLOPS" in said.replace("\n", "")


def test_a_centre_is_moved_to_another_city_by_the_platform_alone(
    operator: Actor, owner: UUID
) -> None:
    take(sheet(rows(1)), operator)
    own = Actor(person=new_id(), organisation=owner, role=Role.CENTRE_OPERATOR, via="test")

    with pytest.raises(InventoryRefused) as refused:
        take(sheet(rows(1, city="大同")), own)
    assert "登记在太原市" in refused.value.problems[0].problem
    assert take(sheet(rows(1, city="大同")), operator).centres_changed == 1


def test_what_a_file_says_is_shown_as_it_is(
    operator: Actor, run: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    (tmp_path / "list.csv").write_bytes(sheet(rows(1, model="[/red]")))
    code, said = run("import", "list.csv", "--as", "sun", "--dry-run")
    assert (code, "[/red]" in said) == (1, True)


def test_the_command_refuses_people_who_run_nothing(
    owner: UUID, run: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    person("zhou", owner, Role.TENANT, NOW)
    (tmp_path / "list.csv").write_bytes(sheet(rows(1)))

    code, said = run("import", "list.csv", "--as", "zhou")
    assert (code, "平台运营" in said) == (2, True)
    code, said = run("import", "list.csv", "--as", "nobody")
    assert (code, "没有找到登录名" in said) == (2, True)


def test_somebody_with_centres_of_two_owners_says_which(owner: UUID) -> None:
    qian = person("qian", owner, Role.CENTRE_OPERATOR, NOW)
    assert registrar("qian", organisation=None, via="cli", now=NOW).organisation == owner
    from jinsuan.registry.actions.people import give_role

    second = organisation(2, "乙算力", NOW)
    assert qian.person is not None
    give_role(
        person=qian.person,
        organisation=second,
        role=Role.CENTRE_OPERATOR,
        effective_from=TODAY,
        actor=SYSTEM,
        now=NOW,
    )
    with pytest.raises(BadInput, match="--organisation"):
        registrar("qian", organisation=None, via="cli", now=NOW)
    assert registrar("qian", organisation=uscc(2), via="cli", now=NOW).organisation == second
