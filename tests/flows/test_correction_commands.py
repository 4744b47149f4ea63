"""`jinsuan correction` by the real command."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from jinsuan.entrypoints.cli import app
from jinsuan.kernel.errors import NotAllowed, NotFound
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.metering.models import Charge, Meter, UseCorrection
from jinsuan.metering.queries_corrections import corrections_waiting
from tests.flows.voucher_world import AFTER_NOTICE, Cast, make_cast

pytestmark = pytest.mark.django_db


def run(*words: str, by: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["correction", *words, "--as", by])
    if isinstance(done.exception, Exception):
        raise done.exception
    return done.exit_code, done.output


def propose(cast: Cast, milli: int) -> None:
    of = str(Ref("attempt", Meter.objects.get().attempt))
    why = ("--reason", "重复计数", "--document", "报告 7 号")
    assert run("propose", of, "card:T4", str(milli), *why, by="seller")[0] == 0


def test_from_the_proposal_to_the_answer() -> None:
    cast = make_cast()
    cast.grant()
    cast.use(10, AFTER_NOTICE)
    assert run("list", by="officer")[0] == 0
    propose(cast, 3600 * 2000)
    code, out = run("list", "--json", by="officer")
    (waiting,) = json.loads(out)
    assert code == 1 and (waiting["before"], waiting["after"]) == ("72000000", "7200000")
    assert "报告 7 号" in run("list", by="officer")[1]
    with pytest.raises(NotAllowed):
        run("agree", waiting["ref"], by="seller")
    with pytest.raises(NotFound):
        run("agree", waiting["attempt"], by="officer")
    run("reject", waiting["ref"], "--reason", "数不对", by="officer")
    propose(cast, 3600 * 4000)
    ref = str(Ref("usecorrection", UseCorrection.objects.get(answered_at=None).id))
    assert "已更正" in run("agree", ref, by="officer")[1]
    assert Charge.objects.get(correction__isnull=False).amount_fen == -5_600


def test_a_centre_sees_its_own_and_others_see_none() -> None:
    cast = make_cast()
    cast.grant()
    cast.use(10, AFTER_NOTICE)
    propose(cast, 0)
    stranger = Actor(
        person=cast.provider.person,
        organisation=cast.world.tenant,
        role=Role.CENTRE_OPERATOR,
        via="test",
    )
    assert len(corrections_waiting(cast.provider)) == 1
    assert corrections_waiting(stranger) == corrections_waiting(cast.tenant) == []
