"""A bundle proves itself; every planted change is found and named."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from jinsuan.dispatch import actions as dispatch
from jinsuan.entrypoints import seal_keys
from jinsuan.entrypoints.cli import trace as command
from jinsuan.kernel.errors import NotAllowed
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.models import Transfer
from jinsuan.ledger.queries import transfers_with_key_prefix
from jinsuan.ledger.seal import seal_all, seal_block
from jinsuan.ledger.signing import (
    Ed25519Checker,
    Ed25519Signer,
    checker_of,
    new_private_pem,
    signer_of,
)
from jinsuan.protocol.states import AttemptState
from jinsuan.trace.bundle import make_bundle
from jinsuan.trace.errors import BundleInvalid
from jinsuan.trace.queries import path
from jinsuan.trace.verify import Unreadable, read, verify
from jinsuan.vouchers.actions.clawback import confirm_clawback, propose_clawback
from tests.flows.paid_world import LATE, Paid, make_claimed, make_paid
from tests.flows.test_job_to_ledger import NOW as START, later, report, speak
from tests.flows.world import make_world

pytestmark = pytest.mark.django_db
PRIVATE = new_private_pem()
SIGNER = Ed25519Signer(PRIVATE)
SIGNER_CHECK = Ed25519Checker(SIGNER.public_pem)
Bundle = dict[str, Any]


def made(world: Paid, which: str = "paid", *, seal: bool = True) -> Bundle:
    if seal:
        seal_all(signer=SIGNER, now=LATE, most=40)
    pem = {SIGNER.key_id: SIGNER.public_pem.decode()}
    auditor = world.cast.world.auditor
    found = make_bundle(auditor, getattr(world, which).ref, keys=pem, now=LATE)
    return read(json.dumps(found).encode())


def wrong(bundle: Bundle, **more: Any) -> list[str]:
    return [said for check in verify(bundle, **more) for said in check.differences]


@pytest.fixture
def world() -> Paid:
    return make_paid()


@pytest.mark.parametrize("which", ["paid", "capture"])
def test_a_good_bundle_passes_every_check(world: Paid, which: str) -> None:
    bundle = made(world, which)
    assert wrong(bundle) == []
    assert wrong(bundle, trusted={SIGNER.key_id: SIGNER_CHECK}) == []
    assert all(check.count for check in verify(bundle) if "兑付" not in check.name)


def test_the_bundle_of_every_transfer_passes(world: Paid) -> None:
    cast = world.cast
    back = propose_clawback(
        world.voucher.id, world.paid.amount, reason="不实", actor=cast.officer, now=LATE
    )
    confirm_clawback(back.id, actor=cast.second, now=LATE)
    seal_all(signer=SIGNER, now=LATE)
    for pk, key in Transfer.objects.values_list("id", "key"):
        bundle = make_bundle(cast.world.auditor, Ref("transfer", pk), now=LATE)
        bundle["keys"] = {SIGNER.key_id: SIGNER.public_pem.decode()}
        assert wrong(read(json.dumps(bundle).encode())) == [], key


def test_a_claim_after_paying_in_full_passes_as_well() -> None:
    world = make_claimed()
    bundle = made(world)
    assert wrong(bundle) == []
    captures = [t for t in bundle["transfers"] if t["content"]["reason"] == "capture"]
    assert sum(t["content"]["fen"] for t in captures) == 71_300
    steps = path(world.cast.world.auditor, world.paid.ref).steps
    told = dict(next(step.facts for step in steps if step.title == "付的是哪些核销"))
    assert told["核销"] == "1 笔，合计 ¥713.00"


def test_a_voucher_without_a_case_and_a_bill_in_pieces_pass() -> None:
    world = make_world(now=START)
    ref = world.submit(cards=2, key="one", now=START)
    assert dispatch.place_queued(now=START) == 1
    (lease,) = speak(world, at=later(1)).leases
    for revision, seconds in enumerate((100, 333, 900), start=1):
        running = report(lease.attempt, revision, AttemptState.RUNNING, seconds)
        speak(world, running, at=later(seconds))
        dispatch.settle(now=later(seconds + 1))
    seal_all(signer=SIGNER, now=later(1000))
    captures = transfers_with_key_prefix(f"capture:{ref}:")
    assert len(captures) == 6
    for place, capture in enumerate(captures):
        bundle = make_bundle(world.auditor, capture.ref, now=later(1000))
        bundle["keys"] = {SIGNER.key_id: SIGNER.public_pem.decode()}
        assert len(bundle["attempts"][0]["charges"]) == place // 2 + 1
        assert wrong(read(json.dumps(bundle).encode())) == [], capture.key
        assert len(path(world.auditor, capture.ref).steps) == 7
    bundle["attempts"][0]["charges"][0]["readings"][0]["milli_unit_seconds"] *= 2
    assert any("第 1 笔费用" in said for said in wrong(bundle))


def decision(bundle: Bundle) -> Bundle:
    return next(iter(bundle["decisions"]))


def row(bundle: Bundle, action: str) -> Bundle:
    return next(one["row"] for one in bundle["audit"]["rows"] if one["row"]["action"] == action)


def a_reading(bundle: Bundle) -> None:
    bundle["attempts"][0]["charges"][0]["readings"][0]["milli_unit_seconds"] -= 3_600_000


def a_price(bundle: Bundle) -> None:
    bundle["attempts"][0]["prices"][0]["millifen_per_hour"] -= 1_000


def an_amount(bundle: Bundle) -> None:
    next(t for t in bundle["transfers"] if t["content"]["reason"] == "redemption_paid")["content"][
        "fen"
    ] += 1


def a_capture(bundle: Bundle) -> None:
    """Moved from cash to the voucher, each by one fen, with hashes made to fit."""
    from jinsuan.ledger.digest import digest
    from jinsuan.trace.recompute import content_of

    for one in bundle["transfers"]:
        if one["content"]["reason"] == "capture":
            one["content"]["fen"] += 1 if "voucher_" in one["content"]["debit"] else -1
            one["hash"] = digest(content_of(one)).hex()


def a_fact(bundle: Bundle) -> None:
    content = json.loads(decision(bundle)["content"])
    content["facts"]["m09_contract"]["value"] *= 2
    decision(bundle)["content"] = json.dumps(
        content, ensure_ascii=False, sort_keys=True, separators=(",", ":")
    )


def the_pack(bundle: Bundle) -> None:
    text = bundle["packs"][0]["text"]
    assert "20%" in text
    bundle["packs"][0]["text"] = text.replace("20%", "25%")


def a_person(bundle: Bundle) -> None:
    row(bundle, "case.decide")["person"] = "01900000-0000-7000-8000-000000000000"


def a_mover(bundle: Bundle) -> None:
    bundle["cases"][0]["moves"][2]["person"] = "01900000-0000-7000-8000-000000000000"


def a_root(bundle: Bundle) -> None:
    bundle["audit"]["blocks"][0]["root"] = "00" * 32


def a_signature(bundle: Bundle) -> None:
    said = bundle["audit"]["blocks"][-1]["signature"]
    bundle["audit"]["blocks"][-1]["signature"] = ("00" if said[:2] != "00" else "11") + said[2:]


def no_signature(bundle: Bundle) -> None:
    bundle["audit"]["blocks"][0]["signature"] = ""


def a_proof(bundle: Bundle) -> None:
    one = next(one for one in bundle["audit"]["rows"] if one["proof"])
    one["proof"][0][1] = not one["proof"][0][1]


def a_face(bundle: Bundle) -> None:
    bundle["vouchers"][0]["face_fen"] += 100


def a_number(bundle: Bundle) -> None:
    bundle["redemptions"][0]["captured_fen"] -= 1


def nothing_left(bundle: Bundle) -> None:
    bundle["audit"]["rows"] = []


def no_charges(bundle: Bundle) -> None:
    del bundle["attempts"][0]["charges"][0]["readings"]


CHANGES: list[tuple[Callable[[Bundle], None], str, str]] = [
    (a_reading, "费用", "读数 × 锁定价"),
    (a_price, "费用", "读数 × 锁定价"),
    (an_amount, "转账", "内容与它的摘要不符"),
    (an_amount, "兑付", "拨付 14261 分"),
    (a_capture, "券付", "按券付比例应为"),
    (a_capture, "留痕", "没有说同样内容的留痕"),
    (a_fact, "判定", "判定内容与摘要不符"),
    (a_fact, "留痕", "与留痕不符"),
    (the_pack, "判定", "已不是当时那一版"),
    (a_person, "封存", "被改动"),
    (a_person, "留痕", "判定人与留痕不符"),
    (a_mover, "留痕", "第 3 步“推荐”的人或理由与留痕不符"),
    (a_root, "封存", "默克尔证明"),
    (a_root, "封存", "与它的链头不符"),
    (a_signature, "签名", "签名不对"),
    (no_signature, "签名", "签名被取走"),
    (a_proof, "封存", "默克尔证明"),
    (a_face, "发放", "判定的是"),
    (a_number, "兑付", "核销合计"),
    (nothing_left, "留痕", "没有说同样内容的留痕"),
    (no_charges, "费用", "写法不对"),
]


def test_every_planted_change_is_found_and_named(world: Paid) -> None:
    good = made(world)
    for change, where, said in CHANGES:
        bundle = copy.deepcopy(good)
        change(bundle)
        checks = [c for c in verify(bundle) if c.name.startswith(where)]
        assert any(said in one for c in checks for one in c.differences), (
            change.__name__,
            where,
            wrong(bundle),
        )


def test_rows_that_wait_for_the_seal_are_not_proven(world: Paid) -> None:
    bundle = made(world, seal=False)
    assert all("还没有封存" in said for said in wrong(bundle)) and wrong(bundle)


def test_a_bundle_rewritten_with_another_key_is_refused_by_the_trusted_one(world: Paid) -> None:
    other = Ed25519Signer(new_private_pem())
    bundle = made(world)
    found = wrong(bundle, trusted={other.key_id: Ed25519Checker(other.public_pem)})
    assert found and all("不在所给的公钥里" in said for said in found)


def test_a_bundle_of_a_book_that_went_over_to_national_algorithms_passes(world: Paid) -> None:
    by = signer_of(new_private_pem("sm2"))
    checker, theirs = checker_of(by.public_pem), checker_of(signer_of(PRIVATE).public_pem)
    ways = cycle([(SIGNER, "sha256"), (by, "sm3")])
    while seal_block(signer=(way := next(ways))[0], now=LATE, algorithm=way[1], most=9):
        pass
    keys = {one.key_id: one.public_pem.decode() for one in (SIGNER, by)}
    made_ = make_bundle(world.cast.world.auditor, world.paid.ref, keys=keys, now=LATE)
    bundle = read(json.dumps(made_).encode())

    assert {block["algorithm"] for block in bundle["audit"]["blocks"]} == {"sha256", "sm3"}
    assert wrong(bundle) == []
    assert wrong(bundle, trusted={one.key_id: one for one in (checker, theirs)}) == []
    for block in bundle["audit"]["blocks"]:
        other = copy.deepcopy(bundle)
        (one,) = [b for b in other["audit"]["blocks"] if b["number"] == block["number"]]
        one["signature"] = one["signature"][:-2] + ("00" if one["signature"][-2:] != "00" else "01")
        assert any("签名不对" in said for said in wrong(other)), block["number"]
        one["algorithm"] = "md5"
        assert any("摘要算法 md5" in said for said in wrong(other))


def test_only_the_province_and_auditors_take_one(world: Paid) -> None:
    cast = world.cast
    for viewer in (cast.tenant, cast.provider, cast.city, cast.payer):
        with pytest.raises(NotAllowed):
            make_bundle(viewer, world.paid.ref, now=LATE)
    assert make_bundle(cast.officer, world.paid.ref, now=LATE)
    assert make_bundle(Actor.system("cli"), world.paid.ref, now=LATE)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[1]", b"\xff", b'{"format":"jinsuan-trace-1","a":1.5}']
)
def test_what_is_no_bundle_is_refused(data: bytes) -> None:
    with pytest.raises(Unreadable):
        read(data)


def test_checking_needs_neither_database_nor_django() -> None:
    code = "import jinsuan.trace.verify, sys; print([m for m in sys.modules if m.startswith('django')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `jinsuan trace` where there is no database."""
    return subprocess.run(
        [sys.executable, "-m", "jinsuan.entrypoints.cli", "trace", *map(str, words)],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"},
    )


def test_the_command_writes_a_bundle_and_an_auditor_checks_it(
    world: Paid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, public, file = tmp_path / "seal.pem", tmp_path / "public.pem", tmp_path / "溯源.json"
    key.write_bytes(PRIVATE)
    key.chmod(0o600)
    public.write_bytes(SIGNER.public_pem)
    monkeypatch.setenv(seal_keys.VARIABLE, str(key))
    seal_all(signer=SIGNER, now=LATE)
    command.trace(str(world.paid.ref), bundle=file)
    with pytest.raises(BundleInvalid, match="已存在"):
        command.trace(str(world.paid.ref), bundle=file)

    good = run("verify", file, "--public-key", public)
    assert good.returncode == 0, good.stdout + good.stderr
    assert good.stdout.count("✓") == 9 and "✗" not in good.stdout and "注意" not in good.stdout
    assert "不说明由谁封存" in run("verify", file).stdout

    bundle = json.loads(file.read_text("utf-8"))
    a_person(bundle)
    file.write_text(json.dumps(bundle), "utf-8")
    bad = run("verify", file, "--public-key", public)
    assert bad.returncode == 1 and "✗ 封存" in bad.stdout and "被改动" in bad.stdout
    file.write_text("{}", "utf-8")
    assert run("verify", file).returncode == 2
    assert run("verify", tmp_path / "none").returncode == 2


@pytest.mark.parametrize("what", ["voucher", "case"])
def test_the_command_lists_what_a_cause_made_move(
    world: Paid, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ref = world.voucher if what == "voucher" else Ref("case", world.case)
    command.trace(str(ref))
    told = capsys.readouterr().out
    assert str(world.paid.ref) in told and "重新判定：相同" in told
