"""审计 on pages: who gets in, that figures are the book's own, and that tampering shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from jinsuan.entrypoints import clock, seal_keys
from jinsuan.entrypoints.portal.auditwords import ACTS
from jinsuan.entrypoints.portal.show import grouped
from jinsuan.kernel.errors import BadInput
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger import accounts, chain, queries_audit
from jinsuan.ledger.actions import Note, record
from jinsuan.ledger.models import AuditRow, Block, SealedRow, Transfer
from jinsuan.ledger.queries import balance, check_book, statement
from jinsuan.ledger.recheck import recheck
from jinsuan.ledger.seal import export_lines, seal_all
from jinsuan.ledger.signing import Ed25519Signer, new_private_pem
from jinsuan.registry.models import Person
from tests.flows.paid_world import LATE, Paid, make_paid
from tests.flows.test_ledger_seal import as_owner
from tests.flows.world import SYSTEM

pytestmark = pytest.mark.django_db
OTHER = Ed25519Signer(new_private_pem())


@pytest.fixture
def paid(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Paid:
    """The whole life of a voucher, sealed in several signed blocks."""
    monkeypatch.setattr(clock, "now", lambda: LATE)
    monkeypatch.setenv("JINSUAN_SEAL_KEY", str(tmp_path / "seal.pem"))
    signer = seal_keys.make()
    world = make_paid()
    seal_all(signer=signer, now=LATE, most=25)
    return world


def as_(actor: Actor) -> Client:
    client = Client()
    client.force_login(Person.objects.get(id=actor.person))
    return client


def text(answer: Any) -> str:
    assert answer.status_code == 200, answer.content.decode()[:300]
    return str(answer.content.decode())


def money(amount: Any) -> str:
    """As the pages write it."""
    yuan, _, fen = grouped(amount).partition(".")
    return f"{yuan}<i>.{fen}</i>"


def test_only_the_auditor_and_the_province_get_in_and_nobody_posts_into_the_book(
    paid: Paid,
) -> None:
    cast, number = paid.cast, AuditRow.objects.order_by("id").values_list("id", flat=True)[0]
    addresses = [
        "/审计",
        "/审计/账户/pool:2025:m09",
        "/审计/留痕",
        f"/审计/留痕/{number}",
        f"/审计/留痕/{number}/证明",
        "/审计/封存",
    ]
    for actor in (cast.tenant, cast.provider, cast.city, cast.payer):
        for address in addresses:
            assert as_(actor).get(address).status_code == 404, (actor.role, address)
        assert as_(actor).post("/审计/封存", {"act": "range"}).status_code == 404
        assert ">审计<" not in as_(actor).get("/").content.decode()
    for actor in (cast.world.auditor, cast.officer):
        for address in addresses:
            assert as_(actor).get(address).status_code == 200, (actor.role, address)
        assert ">审计<" in as_(actor).get("/").content.decode()
        for address in addresses[:-1]:
            assert as_(actor).post(address).status_code == 405
    for address in addresses:
        assert Client().get(address).status_code == 302
    for missing in (
        "/审计/账户/%00",
        "/审计/账户/pool:none",
        "/审计/留痕/999999",
        "/审计/留痕/999999/证明",
    ):
        assert as_(cast.world.auditor).get(missing).status_code == 404


def test_the_figures_are_the_books_own(paid: Paid) -> None:
    client = as_(paid.cast.world.auditor)
    whole = check_book()
    page = text(client.get("/审计"))
    assert money(whole.total_debits) in page
    assert whole.total_debits == whole.total_credits
    assert "借贷相等" in page
    found = queries_audit.totals()
    assert (found.accounts, found.debits, found.credits) == (
        whole.accounts,
        whole.total_debits,
        whole.total_credits,
    )
    code = accounts.voucher(paid.voucher)
    one = text(client.get(f"/审计/账户/{code}"))
    now = balance(code)
    assert all(money(m) in one for m in (now.debits, now.credits, now.posted))
    for line in statement(code):
        assert f"/转账/{line.transfer}" in one.replace("%E8%BD%AC%E8%B4%A6", "转账")
        row = Transfer.objects.get(id=line.transfer.id)
        assert bytes(row.request_hash).hex() in one
        assert line.reason.label in one
        assert line.step.label in one
        assert client.get(f"/转账/{line.transfer}").status_code == 200


def codes(page: str) -> set[str]:
    return {part.partition("<")[0] for part in page.split('class="sub ident">')[1:]}


def test_accounts_are_found_by_kind_owner_and_subject(paid: Paid) -> None:
    client, cast = as_(paid.cast.world.auditor), paid.cast
    assert codes(text(client.get("/审计?kind=pool"))) == {"pool:2025:m09"}
    tenant, provider = (Ref("organisation", pk) for pk in (cast.world.tenant, cast.world.provider))
    mine = codes(text(client.get("/审计?owner=乙大学")))
    assert {accounts.cash(tenant), accounts.voucher(paid.voucher)} <= mine
    assert f"hold:{paid.job}:cash" in mine
    assert accounts.payable(provider, "cash") not in mine
    theirs = codes(text(client.get("/审计?owner=甲算力")))
    assert accounts.due(Ref("redemption", _redemption(paid))) in theirs
    assert not mine & theirs
    about = codes(text(client.get(f"/审计?about={paid.voucher}")))
    assert about == {accounts.voucher(paid.voucher), f"hold:{paid.job}:{paid.voucher}"}
    assert codes(text(client.get(f"/审计?owner=甲算力&about={paid.voucher}"))) == set()
    assert codes(text(client.get("/审计?owner=没有这家"))) == set()
    assert "没有符合的账户" in text(client.get("/审计?about=%00"))


def _redemption(paid: Paid) -> Any:
    from jinsuan.vouchers.models import Redemption

    return Redemption.objects.get(case=paid.redemption).id


def test_pages_of_accounts_and_rows_miss_nothing_and_repeat_nothing(
    paid: Paid, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jinsuan.entrypoints.portal.views import audit_book, audit_rows

    client = as_(paid.cast.world.auditor)
    whole = [row.code for row in queries_audit.accounts_page(limit=1000)]
    monkeypatch.setattr(audit_book, "LISTED", 4)
    monkeypatch.setattr(audit_rows, "LISTED", 7)
    found: list[str] = []
    address: str | None = "/审计"
    while address:
        page = text(client.get(address))
        found += [code for code in whole if f">{code}<" in page]
        address = _next(page)
    assert found == whole
    numbers = list(AuditRow.objects.order_by("-id").values_list("id", flat=True))
    shown: list[int] = []
    address = "/审计/留痕"
    while address:
        page = text(client.get(address))
        shown += [row.number for row in queries_audit.audit_page(limit=9999) if _row(row, page)]
        address = _next(page)
    assert shown == numbers
    code = f"hold:{paid.job}:cash"
    lines = [line.key for line in statement(code, limit=999)]
    keys: list[str] = []
    monkeypatch.setattr(audit_book, "LISTED", 1)
    address = f"/审计/账户/{code}"
    while address:
        page = text(client.get(address))
        keys += [key for key in lines if f">{key}<" in page]
        address = _next(page)
    assert keys == lines


def _row(row: queries_audit.AuditLine, page: str) -> bool:
    return f">{row.number}</a>" in page


def _next(page: str) -> str | None:
    head, found, _ = page.partition('" rel="next"')
    return head.rpartition('href="')[2].replace("&amp;", "&") if found else None


def test_audit_rows_are_found_by_person_act_subject_and_days(paid: Paid) -> None:
    client, cast = as_(paid.cast.world.auditor), paid.cast

    def numbers(query: str) -> set[int]:
        page = text(client.get(f"/审计/留痕?{query}"))
        return {row.number for row in queries_audit.audit_page(limit=9999) if _row(row, page)}

    def rows(**where: Any) -> set[int]:
        return set(AuditRow.objects.filter(**where).values_list("id", flat=True))

    assert numbers("person=city") == rows(person=cast.city.person) != set()
    assert numbers(f"person={Ref('person', cast.city.person)}") == numbers("person=city")  # type: ignore[arg-type]
    assert numbers("action=voucher.issue") == rows(action="voucher.issue") != set()
    case = str(Ref("case", paid.case))
    assert numbers(f"subject={case}") == rows(subject=case) != set()
    late = rows(recorded_at=LATE, action__startswith="payment.")
    found = {n for a in ("payment.make", "payment.confirm", "payment.send", "payment.answer")
             for n in numbers(f"action={a}&from=2025-10-06&to=2025-10-06")}  # fmt: skip
    assert found == late != set()
    assert numbers("action=payment.make&to=2025-10-05") == set()
    for wrong in ("person=nobody", "subject=x", "from=昨天", "from=2025-10-06&to=2025-10-05"):
        answer = client.get(f"/审计/留痕?{wrong}")
        assert answer.status_code == 422
        assert 'role="alert"' in answer.content.decode()


def test_a_row_shows_its_digests_and_its_proof_leads_to_the_root(paid: Paid) -> None:
    client = as_(paid.cast.world.auditor)
    row = AuditRow.objects.filter(action="case.move").last()
    assert row is not None
    page = text(client.get(f"/审计/留痕/{row.id}"))
    assert bytes(row.before_digest or b"").hex() in page
    assert bytes(row.after_digest or b"").hex() in page
    place = SealedRow.objects.get(row=row)
    assert f"第 {place.position} 条" in page
    answer = client.get(f"/审计/留痕/{row.id}/证明")
    assert "attachment" in answer["Content-Disposition"]
    proof = json.loads(answer.content)
    assert proof["position"] == place.position
    # With nothing of ours but the text of the row, as anybody would.
    found = sha256(b"\x00" + chain.text_of(proof["row"]).encode()).digest()
    for beside, on_left in proof["proof"]:
        other = bytes.fromhex(beside)
        found = sha256(b"\x01" + (other + found if on_left else found + other)).digest()
    assert found.hex() == proof["block"]["root"] == bytes(place.block.root).hex()
    record([Note(action="x.y", subject=Ref("case", paid.case))], actor=SYSTEM, now=LATE)
    waiting = AuditRow.objects.latest("id").id
    assert "等待封存" in text(client.get(f"/审计/留痕/{waiting}"))
    assert client.get(f"/审计/留痕/{waiting}/证明").status_code == 404


def verified(client: Client, first: int, last: int) -> str:
    return text(client.post("/审计/封存", {"act": "range", "first": first, "last": last}))


def test_blocks_are_verified_on_the_spot_also_from_the_middle(paid: Paid) -> None:
    client = as_(paid.cast.world.auditor)
    blocks = Block.objects.count()
    assert blocks >= 3
    page = text(client.get("/审计/封存"))
    assert f"{blocks} 个" in page
    assert bytes(Block.objects.latest("number").head).hex() in page
    for first, last in ((1, blocks), (2, blocks), (2, 2), (blocks, blocks)):
        told = verified(client, first, last)
        assert "没有差异" in told, (first, last, told[told.find("核验结果") :][:900])
        assert f"签名相符 {last - first + 1} 个区块" in told
        assert recheck(first, last).rows == sum(
            Block.objects.filter(number__range=(first, last)).values_list("rows", flat=True)
        )
    for wrong in (("0", "1"), ("2", "1"), ("1", str(blocks + 1)), ("x", "1"), ("", "1")):
        answer = client.post("/审计/封存", {"act": "range", "first": wrong[0], "last": wrong[1]})
        assert answer.status_code == 422, wrong
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jinsuan.ledger.recheck.MOST_ROWS", 30)
        with pytest.raises(BadInput, match="jinsuan audit export"):
            recheck(1, blocks)
        assert recheck(1, 1).differences == ()


TAMPERED: dict[str, tuple[Callable[[], str], str]] = {
    "a reason": (
        lambda: (
            "UPDATE ledger_audit_row SET reason = '改过' WHERE id = (SELECT row_id"
            " FROM ledger_sealed_row WHERE block_id = 2 ORDER BY position LIMIT 1)"
        ),
        "内容与封存时的摘要不符",
    ),
    "who": (
        lambda: (
            "UPDATE ledger_audit_row SET via = 'x' WHERE id = (SELECT row_id"
            " FROM ledger_sealed_row WHERE block_id = 2 ORDER BY position DESC LIMIT 1)"
        ),
        "Merkle 根",
    ),
    "a row gone": (
        lambda: (
            "DELETE FROM ledger_sealed_row WHERE position = (SELECT max(position)"
            " FROM ledger_sealed_row WHERE block_id = 2)"
        ),
        "区块 2",
    ),
    "a head": (
        lambda: "UPDATE ledger_block SET head = sha256('x') WHERE number = 2",
        "重算的链头与封存的不符",
    ),
    "a signature": (
        lambda: "UPDATE ledger_block SET signature = sha512('x') WHERE number = 2",
        "签名不对",
    ),
    "a time": (
        lambda: "UPDATE ledger_block SET sealed_at = sealed_at + interval '1 s' WHERE number = 2",
        "重算的链头与封存的不符",
    ),
    "a block gone": (lambda: "DELETE FROM ledger_block WHERE number = 2", "区块 2：不见了"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_tampering_by_the_tables_owner_shows_on_the_page(paid: Paid, what: str) -> None:
    client = as_(paid.cast.world.auditor)
    change, words = TAMPERED[what]
    as_owner(change())
    for first in (1, 2):
        told = verified(client, first, 3)
        assert "有差异" in told, first
        assert words in told, first
        assert "区块 2" in told
    if what not in ("a head", "a block gone", "a row gone"):  # these leave a gap before block 3
        assert "没有差异" in verified(client, 3, 3)


def test_a_row_that_was_made_unreadable_is_shown_as_that(paid: Paid) -> None:
    client = as_(paid.cast.world.auditor)
    place = SealedRow.objects.filter(block=2).first()
    assert place is not None
    as_owner(f"UPDATE ledger_audit_row SET subject = '改', role = 'x' WHERE id = {place.row_id}")
    assert "读不出" in text(client.get(f"/审计/留痕/{place.row_id}"))
    for page in ("/审计/留痕", "/审计/留痕?person=city"):
        assert client.get(page).status_code == 200
    assert client.get(f"/审计/留痕/{place.row_id}/证明").status_code == 200
    assert "内容与封存时的摘要不符" in verified(client, 2, 2)


def test_an_export_is_checked_by_upload_and_nothing_is_kept(paid: Paid) -> None:
    client = as_(paid.cast.world.auditor)
    signer = seal_keys.signer()
    assert signer is not None
    lines = list(export_lines())

    def upload(data: str, key: bytes | None = None, **more: str) -> Any:
        files = {"export": SimpleUploadedFile("留痕.jsonl", data.encode())}
        if key is not None:
            files["key"] = SimpleUploadedFile("公钥.pem", key)
        return client.post("/审计/封存", {"act": "file", **files, **more})

    rows = AuditRow.objects.count()
    good = text(upload("".join(lines), signer.public_pem))
    assert "导出文件没有差异" in good
    assert f"签名相符 {Block.objects.count()} 个区块" in good
    assert "没有核对签名" in text(upload("".join(lines)))
    assert "不是所给的公钥" in text(upload("".join(lines), OTHER.public_pem))
    assert "不在文件里" in text(upload("".join(lines), signer.public_pem, head="00"))
    bad = [line.replace('"role":"tenant"', '"role":"auditor"') for line in lines]
    assert "内容与封存时的摘要不符" in text(upload("".join(bad), signer.public_pem))
    for data, key in (("不是导出", None), ("".join(lines), b"no key"), ("\udcff", None)):
        if data == "\udcff":
            file = SimpleUploadedFile("x", b"\xff\xfe")
            answer = client.post("/审计/封存", {"act": "file", "export": file})
        else:
            answer = upload(data, key)
        assert answer.status_code == 422, data
    assert client.post("/审计/封存", {"act": "file"}).status_code == 422
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jinsuan.entrypoints.portal.views.audit_seal.MOST_BYTES", 100)
        assert "至多收 100 字节" in upload("".join(lines)).content.decode()
    assert AuditRow.objects.count() == rows


def test_every_act_of_this_world_has_a_word(paid: Paid) -> None:
    del paid
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT action FROM ledger_audit_row")
        said = {action for (action,) in cursor.fetchall()}
    assert said <= ACTS.keys(), said - ACTS.keys()
