"""The money desk in a browser: its pages with something on them, wide and narrow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import NARROW, WIDE, Open
from tests.browser.site import Site, running, session_of
from tests.browser.test_pages import look

if TYPE_CHECKING:  # models cannot be imported before Django has its settings
    from tests.flows.voucher_world import Cast

pytestmark = pytest.mark.browser
PEOPLE = ("researcher", "seller", "officer", "second", "payer", "checker")


@pytest.fixture(scope="module")
def desk(committed_module: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cast]:
    """A clawback that was proposed, a bank file with unknown money, a refund that was asked for, an
    account that waits for its call, and a difference.
    """
    from django.test import override_settings

    from jinsuan.entrypoints import clock
    from tests.flows.voucher_world import AFTER_NOTICE

    folder = tmp_path_factory.mktemp("files")
    with override_settings(FILES_FOLDER=str(folder)), pytest.MonkeyPatch.context() as patch:
        patch.setenv("JINSUAN_DATA_KEY", f"k1:{'A' * 43}=")
        late = AFTER_NOTICE + timedelta(days=7)
        patch.setattr(clock, "now", lambda: late)
        yield _full_desk()


def _full_desk() -> Cast:
    from jinsuan.kernel.ref import Ref
    from jinsuan.ledger import accounts
    from tests.flows.money_world import ask, difference, enter, make_desk, make_paid, proposed, take

    cast = make_paid(make_desk())
    proposed(cast)
    enter(cast.tenant)
    ask(cast.tenant, "1,234.50")
    take(
        cast.payer,
        {"流水号": "B20250915001", "金额": "600.00", "附言": "训练费用，请查收"},
        {"流水号": "B20250915002", "收付": "付", "金额": "7.00"},
    )
    difference(accounts.cash(Ref("organisation", cast.world.tenant)))
    return cast


@pytest.fixture(scope="module")
def site(chromium: str, desk: Cast) -> Iterator[Site]:
    """This desk, served."""
    from django.db import connections

    from jinsuan.kernel.ref import Ref
    from jinsuan.vouchers.models import BankEntry, BankFile, CashOrder, Clawback

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)
        sessions = {who: [session_of(who) for _ in range(12)] for who in PEOPLE}
        incoming, outgoing = BankEntry.objects.order_by("line")
        places = {
            "order": CashOrder.objects.get().number,
            "file": str(Ref("bankfile", BankFile.objects.get().id)),
            "incoming": str(Ref("bankentry", incoming.id)),
            "outgoing": str(Ref("bankentry", outgoing.id)),
            "clawback": str(Ref("clawback", Clawback.objects.get().id)),
        }
        with running(sessions, places) as served:
            yield served


@pytest.mark.parametrize(
    ("name", "who", "path"),
    [
        ("payees-waiting", "payer", "/收款账户"),
        ("payees-own", "researcher", "/收款账户"),
        ("orders-asked", "researcher", "/退款结算"),
        ("order-sheet", "payer", "/退款结算/{order}"),
        ("bank-open", "payer", "/银行流水"),
        ("bank-file", "payer", "/银行流水/文件/{file}"),
        ("bank-incoming", "checker", "/银行流水/{incoming}"),
        ("bank-outgoing", "checker", "/银行流水/{outgoing}"),
        ("clawback-form", "officer", "/追缴"),
        ("clawback", "second", "/追缴/{clawback}"),
        ("difference", "officer", "/差异"),
        ("wallet-granted", "researcher", "/账户"),
    ],
)
def test_a_page_of_the_desk_fits_and_is_accessible(
    open_page: Open, name: str, who: str, path: str
) -> None:
    page = open_page(who, path)
    wrong = [complaint for width in (WIDE, NARROW) for complaint in look(page, name, width)]
    assert not wrong, "\n".join(wrong)


def test_a_file_with_a_mistake_says_where_it_is(open_page: Open, tmp_path: Path) -> None:
    from tests.bank_world import statement

    page: Any = open_page("payer", "/银行流水")
    bad = tmp_path / "流水.csv"
    bad.write_bytes(statement({"金额": "1.234"}))
    page.get_by_label("银行流水文件").set_input_files(bad)
    page.get_by_role("button", name="登记流水文件").click()
    page.get_by_role("alert").get_by_text("第 2 行").wait_for()
