"""The worker of the long work's crash test, in a process of its own so that it can be killed.

python -m tests.flows.longwork_crash make          a province, a long statement, granted cases
python -m tests.flows.longwork_crash ask WHAT      csv, xlsx or issue; says the identifier
python -m tests.flows.longwork_crash work [SECONDS]  one work, so many seconds later; says every step
python -m tests.flows.longwork_crash check WORK    what came of it
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from datetime import datetime, timedelta

from jinsuan.entrypoints.site.boot import boot, migrate

boot()

from django.db.models import Count  # noqa: E402

from jinsuan.entrypoints.exports import make_file  # noqa: E402
from jinsuan.entrypoints.longwork import kinds  # noqa: E402
from jinsuan.entrypoints.longwork.kinds import ask_export, ask_mass_issue  # noqa: E402
from jinsuan.entrypoints.longwork.models import LongWork  # noqa: E402
from jinsuan.entrypoints.longwork.queries import access_file  # noqa: E402
from jinsuan.entrypoints.longwork.run import run_next  # noqa: E402
from jinsuan.kernel.period import month  # noqa: E402
from jinsuan.kernel.ref import Actor, Ref, Role  # noqa: E402
from jinsuan.ledger.queries import check_book  # noqa: E402
from jinsuan.registry.models import Membership  # noqa: E402
from jinsuan.vouchers.models import KeptLine, Voucher  # noqa: E402
from jinsuan.vouchers.subjects import access_subject  # noqa: E402
from tests.flows.longwork_world import post_lines  # noqa: E402
from tests.flows.voucher_world import AFTER_NOTICE, make_cast  # noqa: E402

LINES, CASES = 1_000, 6
PERIOD = month("2025-09")
kinds.PIECE = 50
kinds.BEAT_EVERY = 50
kinds.CHUNK = 2


def make() -> None:
    migrate()
    cast = make_cast()
    post_lines(Ref("organisation", cast.world.tenant), LINES)
    for number in range(CASES):
        case = cast.apply(f"HT-{number}", "1000")
        cast.recommend(case)
        cast.approve(case)


def somebody(role: Role) -> Actor:
    row = Membership.objects.filter(role=role).order_by("id").first()
    assert row is not None
    return Actor(person=row.person_id, organisation=row.organisation_id, role=role, via="test")


def ask(what: str) -> Ref:
    if what == "issue":
        return ask_mass_issue(actor=somebody(Role.PROVINCIAL_OFFICER), now=AFTER_NOTICE)
    actor = somebody(Role.TENANT)
    return ask_export(access_subject(actor, ""), PERIOD, what, actor=actor, now=AFTER_NOTICE)


def work(later: int) -> None:
    def now() -> datetime:
        """Every step asks for the time, so this tells of every step, and makes it last."""
        print("step", flush=True)
        time.sleep(0.02)
        return AFTER_NOTICE + timedelta(seconds=later)

    run_next(now)


def check(name: str) -> dict[str, object]:
    row = LongWork.objects.get(id=Ref.read(name).id)
    found: dict[str, object] = {
        "state": row.state,
        "fence": row.fence,
        "done": row.done,
        "total": row.total,
        "left": row.left,
        "kept": KeptLine.objects.count(),
    }
    if row.file_name:
        actor = somebody(Role.TENANT)
        file = access_file(actor, name, now=AFTER_NOTICE + timedelta(hours=1))
        found["sha256"] = hashlib.sha256(file.path.read_bytes()).hexdigest()
        subject = access_subject(actor, "")
        form = row.parameters["format"]
        with make_file(subject, PERIOD, form, now=row.asked_at) as whole:
            found["whole"] = hashlib.sha256(whole.read()).hexdigest()
    else:
        found["vouchers"] = Voucher.objects.filter(case__isnull=False).count()
        twice = Voucher.objects.values("case").annotate(n=Count("id"))
        found["twice"] = twice.filter(case__isnull=False, n__gt=1).count()
        found["differences"] = list(check_book().differences)
    return found


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make"]:
            make()
        case ["ask", what]:
            print(ask(what))
        case ["work", *later]:
            work(int(later[0]) if later else 0)
        case ["check", name]:
            print(json.dumps(check(name)))
