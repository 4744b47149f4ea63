"""`./run bench longwork`: vouchers issued one by one and in sets; a long statement as long work.

issue   --singles granted cases one by one, --cases in sets. One is granted by the actions and then copied with all that an
        issue reads (case, decision, notice, application, contract, pending money), so that the half
        hour of approving ten thousand is not measured
export  a statement of --lines lines: reading it once, and writing each kind of file
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from datetime import datetime, timedelta
from typing import Any

from benchmarks.database import database
from benchmarks.machine import machine

BATCH = 1_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench longwork", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--singles", type=int, default=1_000, help="cases issued one by one")
    parser.add_argument("--lines", type=int, default=100_000)
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="jinsuan-bench-files-") as files, database():
        from django.conf import settings

        settings.FILES_FOLDER = files
        os.environ["JINSUAN_FILES"] = files
        from tests.flows.voucher_world import make_cast

        cast = make_cast()
        if options.cases:
            _issue(cast, options.cases, options.singles)
        if options.lines:
            _export(cast, options.lines)
    return 0


def _issue(cast: Any, many: int, singles: int) -> None:
    from jinsuan.entrypoints.longwork.kinds import ask_mass_issue
    from jinsuan.entrypoints.longwork.queries import access_work
    from jinsuan.entrypoints.longwork.run import run_next
    from jinsuan.ledger.queries import check_book
    from jinsuan.vouchers.actions.grant import cases_in_notice, issue_granted
    from tests.flows.voucher_world import AFTER_NOTICE
    from tests.flows.world import SYSTEM

    first = cast.apply("HT-0", "1000")
    cast.recommend(first)
    cast.approve(first)
    for way, count in (("one by one", singles), ("in sets of 500", many)):
        _copies(first, count, way)
        if way == "one by one":
            issue_granted(first, actor=SYSTEM, now=AFTER_NOTICE)
        due = cases_in_notice(now=AFTER_NOTICE)
        assert len(due) == count, len(due)
        began = time.perf_counter()
        if way == "one by one":
            for case in due:
                issue_granted(case, actor=SYSTEM, now=AFTER_NOTICE)
        else:
            work = str(ask_mass_issue(actor=cast.officer, now=AFTER_NOTICE))
            run_next(lambda: AFTER_NOTICE)
            view = access_work(cast.officer, work)
            assert (view.done, view.left_count) == (count, 0), view
        took = time.perf_counter() - began
        print(f"issue {count:,} {way}: {took:.1f} s; {count / took:,.0f} a second")
    assert not check_book().differences


def _copies(first: Any, count: int, way: str) -> None:
    """So many granted cases like the first one."""
    from jinsuan.casework.models import Case, Decision, Hand, Notice
    from jinsuan.kernel.ids import new_id
    from jinsuan.ledger.actions import post
    from jinsuan.ledger.steps import Step
    from jinsuan.metering.models import Contract
    from jinsuan.vouchers.actions.grant import resolved
    from jinsuan.vouchers.models import Application, ApplicationFact
    from tests.flows.voucher_world import NOW
    from tests.flows.world import SYSTEM

    model = Application.objects.select_related("case", "decision", "contract", "programme").get(
        case=first
    )
    notice, facts = Notice.objects.get(case=first), list(model.facts.all())
    hand = Hand.objects.get(case=first, person=model.decision.person)
    base = Case.objects.order_by("-sequence").values_list("sequence", flat=True)[0]

    def copy(row: Any, **changed: Any) -> Any:
        values = {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields}  # noqa: SLF001
        values.pop("id")
        for name in changed:
            values.pop(f"{name}_id", None)
        return type(row)(**{**values, **changed})

    for start in range(0, count, BATCH):
        rows: dict[type[Any], list[Any]] = {}
        applications = []
        for number in range(start, min(start + BATCH, count)):
            place = base + 1 + number
            case = copy(
                model.case,
                id=new_id(),
                sequence=place,
                number=f"2025-m09-{place:06d}",
                state="notice",
                moves_made=notice.moves_made,
                closed_at=None,
            )
            decision = copy(model.decision, id=new_id(), case=case, bound_fen=100, amount_fen=100)
            contract = copy(model.contract, id=new_id(), number=f"{way} {number}")
            application = copy(
                model, id=new_id(), grant=new_id(), case=case, decision=decision, contract=contract
            )
            applications.append(application)
            found = [
                *(case, copy(hand, case=case), decision, contract),
                *(copy(notice, id=new_id(), case=case, decision=decision), application),
                *(copy(fact, application=application) for fact in facts),
            ]
            for row in found:
                rows.setdefault(type(row), []).append(row)
        for kind in (Case, Hand, Decision, Contract, Notice, Application, ApplicationFact):
            kind.objects.bulk_create(rows.get(kind, []))
        pending = [
            posting
            for row in applications
            for posting in resolved(row, Step.PENDING, _cause(row), NOW)
        ]
        post(pending, actor=SYSTEM, now=NOW)


def _cause(row: Any) -> Any:
    from jinsuan.kernel.ref import Ref

    return Ref("decision", row.decision.id)


def _export(cast: Any, count: int) -> None:
    from jinsuan.entrypoints.longwork.kinds import ask_export
    from jinsuan.entrypoints.longwork.queries import access_work
    from jinsuan.entrypoints.longwork.run import run_next
    from jinsuan.kernel.period import month
    from jinsuan.kernel.ref import Ref
    from jinsuan.vouchers.subjects import access_subject
    from tests.flows.longwork_world import post_lines
    from tests.flows.voucher_world import AFTER_NOTICE

    tenant = Ref("organisation", cast.world.tenant)
    for start in range(0, count, BATCH):
        post_lines(tenant, min(BATCH, count - start), name=f"line{start}")
    for form in ("csv", "focus", "xlsx", "pdf"):
        subject = access_subject(cast.tenant, "")
        work = str(ask_export(subject, month("2025-09"), form, actor=cast.tenant, now=AFTER_NOTICE))
        times: list[float] = []

        def now(times: list[float] = times) -> datetime:
            times.append(time.perf_counter())
            return AFTER_NOTICE + timedelta(seconds=1)

        began = time.perf_counter()
        run_next(now)
        ended = time.perf_counter()
        view = access_work(cast.tenant, work)
        assert view.state == "done", view
        # claim, the reading's step, and from the third time on the first piece is written.
        read = times[2] - times[1] if len(times) > 2 else 0
        print(
            f"export {view.total:,} lines as {form}: {ended - began:.1f} s"
            f" (up to the first piece {read:.1f} s), {(view.bytes or 0) / 2**20:.1f} MiB"
        )
