"""From recommendation to payment, in a browser, by the people whose work it is."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from tests.browser.conftest import NARROW, WIDE, Open
from tests.browser.site import Site, running, session_of
from tests.browser.test_pages import look

if TYPE_CHECKING:  # models cannot be imported before Django has its settings
    from tests.flows.voucher_world import Cast

pytestmark = pytest.mark.browser
LATER = datetime(2025, 10, 9, 1, 0, tzinfo=UTC)
PEOPLE = ("researcher", "seller", "city", "officer", "both", "payer", "checker")


@dataclass(slots=True)
class Bureau:
    """The offices on one day; the pages' clock is `day`."""

    cast: Cast
    case: UUID
    number: str
    day: datetime


@pytest.fixture(scope="module")
def bureau(committed_module: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bureau]:
    """An application that waits for its city, and people at every desk."""
    from django.test import override_settings

    from jinsuan.casework.models import Case
    from jinsuan.entrypoints import clock
    from jinsuan.registry.models import Person
    from jinsuan.vouchers.actions.grant import pass_checks
    from tests.flows.voucher_world import NOW, make_cast
    from tests.flows.world import SYSTEM

    folder = tmp_path_factory.mktemp("files")
    with override_settings(FILES_FOLDER=str(folder)), pytest.MonkeyPatch.context() as patch:
        patch.setenv("JINSUAN_DATA_KEY", f"k1:{'A' * 43}=")
        cast = make_cast()
        case = cast.apply()
        assert pass_checks(case, actor=SYSTEM, now=NOW)
        _hire_own_officer(cast)
        _payee(cast)
        made = Bureau(cast, case, Case.objects.get(id=case).number, NOW)
        patch.setattr(clock, "now", lambda: made.day)
        assert Person.objects.filter(username__in=PEOPLE).count() == len(PEOPLE)
        yield made


def _hire_own_officer(cast: Cast) -> None:
    """A provincial officer who also works for the applicant."""
    from jinsuan.kernel.ref import Role
    from jinsuan.registry.actions.people import give_role
    from tests.flows.voucher_world import NOW
    from tests.flows.world import SYSTEM, person

    assert cast.second.organisation is not None
    both = person("both", cast.second.organisation, Role.PROVINCIAL_OFFICER, NOW)
    assert both.person is not None
    give_role(
        person=both.person,
        organisation=cast.world.tenant,
        role=Role.AUDITOR,
        effective_from=date(2025, 1, 1),
        actor=SYSTEM,
        now=NOW,
    )


def _payee(cast: Cast) -> None:
    """Where the provider receives money, called back."""
    from jinsuan.casework.actions.payees import confirm_payee_account, enter_payee_account
    from jinsuan.entrypoints.data_keys import keyring
    from jinsuan.registry.models import Organisation
    from tests.flows.voucher_world import NOW

    account = enter_payee_account(
        cast.world.provider,
        holder=Organisation.objects.get(id=cast.world.provider).name,
        bank="工行太原",
        number="0502123409300012345",
        keys=keyring(),
        actor=cast.provider,
        now=NOW,
    )
    confirm_payee_account(account.id, call_back="按留存电话向财务核实", actor=cast.payer, now=NOW)


@pytest.fixture(scope="module")
def site(chromium: str, bureau: Bureau) -> Iterator[Site]:
    """These offices, served."""
    from django.db import connections

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)
        sessions = {who: [session_of(who) for _ in range(12)] for who in PEOPLE}
        with running(sessions, {"number": bureau.number}) as served:
            yield served


def aside(work: Callable[[], Any]) -> Any:
    """Do something with the database in a thread of its own: Playwright's loop runs in this one."""
    from django.db import connections

    found: list[Any] = []

    def run() -> None:
        try:
            found.append(work())
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found, "the work in the other thread failed"
    return found[0]


def _use_and_claim(bureau: Bureau) -> str:
    """The notice is over, the voucher is used, the provider asks for its money."""
    from jinsuan.casework.models import Case
    from jinsuan.kernel.money import Money
    from jinsuan.metering.actions.invoices import register_invoice
    from jinsuan.vouchers.actions.grant import issue_granted, pass_checks
    from jinsuan.vouchers.actions.redeem import start_redemption, submit_redemption
    from jinsuan.vouchers.models import Voucher
    from tests.flows.voucher_world import AFTER_NOTICE
    from tests.flows.world import SYSTEM

    cast = bureau.cast
    voucher = issue_granted(bureau.case, actor=SYSTEM, now=AFTER_NOTICE)
    cast.use(100, AFTER_NOTICE)
    register_invoice(
        "2" * 20,
        seller=cast.world.provider,
        buyer=cast.world.tenant,
        amount=Money.yuan("700"),
        issued_on=date(2025, 9, 29),
        contract=Voucher.objects.get(id=voucher.id).contract_id,
        actor=cast.provider,
        now=LATER,
    )
    case = start_redemption(
        voucher.id, through=LATER.date() - timedelta(days=1), actor=cast.provider, now=LATER
    )
    submit_redemption(case.id, actor=cast.provider, now=LATER)
    assert pass_checks(case.id, actor=SYSTEM, now=LATER)
    bureau.day = LATER
    return Case.objects.get(id=case.id).number


def _answer(order: bytes) -> bytes:
    """The bank's answer to the file that was sent: everything paid."""
    from jinsuan.casework.bank_sheets import ANSWER_COLUMNS

    head, *lines, last = csv.reader(io.StringIO(order.decode("gb18030"), newline=""))
    at = {name: place for place, name in enumerate(head)}
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(ANSWER_COLUMNS)
    for number, row in enumerate(lines, start=1):
        named = [row[at[name]] for name in ("批次号", "明细号", "金额")]
        writer.writerow([*named, "成功", f"BK{number}", "", "2025-10-09"])
    writer.writerow(["合计", len(lines), last[at["金额"]], "", "", "", ""])
    return out.getvalue().encode("gb18030")


def looked_at(page: Any, called: str) -> None:
    wrong = [complaint for width in (WIDE, NARROW) for complaint in look(page, called, width)]
    assert not wrong, "\n".join(wrong)
    page.set_viewport_size({"width": WIDE, "height": 900})


def test_an_application_is_recommended_approved_used_redeemed_and_paid(
    open_page: Open, bureau: Bureau, tmp_path: Path
) -> None:
    where = f"/案件/{bureau.number}"
    looked_at(open_page("researcher", "/算力券/申领"), "application-form")
    looked_at(open_page("researcher", f"/算力券/申领/{bureau.number}"), "application")
    city = open_page("city", "/办理")
    looked_at(city, "cases")
    city.get_by_role("link", name=bureau.number).click()
    city.get_by_label("意见").fill("合同原件已核对")
    city.get_by_role("button", name="推荐", exact=True).click()
    city.get_by_text("已办理：推荐。").wait_for()
    assert not city.get_by_role("button", name="推荐", exact=True).count()

    own = open_page("both", where)
    own.get_by_text("您任职的单位").wait_for()
    assert not own.get_by_role("button", name="审定通过").count()

    officer = open_page("officer", where)
    looked_at(officer, "case")
    assert not officer.locator("input[name=amount], input[name=chosen]").count()
    officer.get_by_label("意见").fill("符合（九）")
    officer.get_by_role("button", name="审定通过").click()
    officer.get_by_text("已审定通过，进入公示").wait_for()
    assert "5 个工作日" in officer.locator("#h-notice").locator("xpath=../..").inner_text()
    looked_at(officer, "case-notice")

    number = aside(lambda: _use_and_claim(bureau))
    officer.goto(officer.url)
    assert "已发放" in officer.locator(".title").inner_text()
    officer.get_by_role("link", name="办理", exact=True).first.click()
    officer.get_by_label("状态").select_option("轮到我")
    officer.get_by_role("button", name="筛选").click()
    officer.get_by_role("link", name=number).click()
    looked_at(officer, "case-redemption")
    looked_at(open_page("seller", f"/算力券/兑付/{number}"), "redemption")
    officer.get_by_label("意见").fill("四个数一致")
    officer.get_by_role("button", name="核定").click()
    officer.get_by_text("已核定，转财政拨付").wait_for()
    _paid(open_page, number, tmp_path)


def _paid(open_page: Open, number: str, tmp_path: Path) -> None:
    payer = open_page("payer", "/拨付")
    looked_at(payer, "payments")
    payer.get_by_label(f"选 {number}").check()
    payer.get_by_role("button", name="编制批次").click()
    payer.get_by_text("须由另一位财政人员复核").wait_for()
    assert not payer.get_by_role("button", name="复核", exact=True).count()
    batch = payer.locator("h1").inner_text().removeprefix("批次 ")

    checker = open_page("checker", f"/拨付/{batch}")
    assert "壹佰肆拾元整" in checker.locator("main").inner_text()
    checker.get_by_role("button", name="复核", exact=True).click()
    checker.get_by_text("已复核。").wait_for()

    payer.reload()
    with payer.expect_download() as downloading:
        payer.get_by_role("button", name="下载银行文件").click()
    order = Path(downloading.value.path()).read_bytes()
    answer = tmp_path / "回单.csv"
    answer.write_bytes(_answer(order))
    payer.goto(payer.url)
    payer.get_by_label("银行回单文件").set_input_files(answer)
    payer.get_by_role("button", name="登记回单").click()
    payer.get_by_text("办结 1 件").wait_for()
    looked_at(payer, "payment")
    payer.get_by_role("link", name=number).click()
    assert "已兑付" in payer.locator(".title").inner_text()


@pytest.mark.parametrize("who", ["city", "officer"])
def test_a_case_is_read_and_its_forms_are_there_without_scripts(
    open_page: Open, bureau: Bureau, who: str
) -> None:
    page = open_page(who, "/案件/{number}", script=False)
    assert page.locator("h1").count() == 1
    assert page.locator("form input[name=csrfmiddlewaretoken]").count()
