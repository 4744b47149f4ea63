"""Work a bundle's money and law out again: transfers, charges, shares, decisions. Pure.

Each function yields what differs, in words; nothing when all is as it says. `verify` names them.
"""

from __future__ import annotations

import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

from jinsuan.casework import snapshot
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.ledger.digest import digest, transfer_content, transfer_id
from jinsuan.ledger.reasons import Reason
from jinsuan.ledger.steps import Step
from jinsuan.metering.rating import charge_so_far
from jinsuan.policy.decide import Outcome, decide
from jinsuan.policy.errors import PackInvalid
from jinsuan.policy.law import bind
from jinsuan.policy.load import read_pack
from jinsuan.policy.pack import Pack
from jinsuan.vouchers.four import Four
from jinsuan.vouchers.split import Purse, give_back, split_step

Bundle = Mapping[str, Any]
PACK_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")


def content_of(one: Bundle) -> str:
    """A transfer's canonical text."""
    said = one["content"]
    return transfer_content(
        key=said["key"],
        debit=said["debit"],
        credit=said["credit"],
        fen=said["fen"],
        reason=Reason(said["reason"]),
        cause=Ref.read(said["cause"]),
        step=Step(said["step"]),
        pending=said["pending"],
    )


def transfers(bundle: Bundle) -> Iterator[str]:
    """Ids follow from keys and hashes from contents; what posts or voids has its pending one."""
    keys = {one["content"]["key"]: one["content"] for one in bundle["transfers"]}
    if bundle["transfer"] not in {one["transfer"] for one in bundle["transfers"]}:
        yield f"要溯源的 {bundle['transfer']} 不在包里"
    for one in bundle["transfers"]:
        said = one["content"]
        if str(Ref("transfer", transfer_id(said["key"]))) != one["transfer"]:
            yield f"{one['transfer']} 的编号不是由业务键 {said['key']} 得出的"
        if digest(content_of(one)).hex() != one["hash"]:
            yield f"{one['transfer']} 的内容与它的摘要不符，金额、账户或起因被改动"
        held = keys.get(said["pending"]) if said["pending"] else None
        if said["pending"] and held is None:
            yield f"{one['transfer']} 了结的预留 {said['pending']} 不在包里"
        elif held is not None and (
            said["fen"] > held["fen"]
            or (said["debit"], said["credit"]) != (held["debit"], held["credit"])
        ):
            yield f"{one['transfer']} 与它了结的预留账户不同，或金额更大"


def charges(bundle: Bundle) -> Iterator[str]:
    """Charge = HALF_UP(readings x locked prices), never above what was authorised, less the before."""
    for attempt in bundle["attempts"]:
        prices = {one["resource"]: one["millifen_per_hour"] for one in attempt["prices"]}
        limit, before = Money(attempt["authorised_fen"]), 0
        for place, charge in enumerate(attempt["charges"], start=1):
            named = f"{attempt['attempt']} 第 {charge['number']} 笔费用"
            usage = {one["resource"]: one["milli_unit_seconds"] for one in charge["readings"]}
            exact = charge_so_far(usage, prices, limit=limit).fen
            if charge["number"] != place:
                yield f"{named}：缺少前面的费用"
            if exact != charge["cumulative_fen"]:
                yield f"{named}：读数 × 锁定价得累计 {exact} 分，记的是 {charge['cumulative_fen']} 分"
            if charge["cumulative_fen"] - before != charge["amount_fen"]:
                yield f"{named}：累计 {charge['cumulative_fen']} 分减此前 {before} 分不是 {charge['amount_fen']} 分"
            before = charge["cumulative_fen"]


def shares(bundle: Bundle) -> Iterator[str]:
    """The vouchers' part of each charge is what the rule gives from what was held then."""
    moved = defaultdict(list)
    for one in bundle["transfers"]:
        moved[one["content"]["cause"]].append(one)
    expiry = {one["voucher"]: date.fromisoformat(one["expires_on"]) for one in bundle["vouchers"]}
    for attempt in bundle["attempts"]:
        yield from _shares_of(attempt, moved, expiry)


def _shares_of(
    attempt: Bundle, moved: Mapping[str, list[Bundle]], expiry: Mapping[str, date]
) -> Iterator[str]:
    rate = Fraction(*attempt["rate"])
    holds = [one for one in moved[attempt["attempt"]] if one["content"]["reason"] == "hold"]
    taken: dict[str, int] = defaultdict(int)
    before = Money(0)
    for charge in attempt["charges"]:
        named = f"{attempt['attempt']} 第 {charge['number']} 笔费用"
        parts = moved[charge["charge"]]
        if not parts:
            yield f"{named}：没有它的核销转账"
            continue
        first = min(one["number"] for one in parts)
        held: dict[str, int] = defaultdict(int)
        for one in holds:
            if one["number"] < first:
                held[_source(one)] += one["content"]["fen"]
        if any(one["content"]["reason"] == "correction" for one in parts):
            yield from _corrected(named, charge, parts, taken, rate, expiry)
            before = Money(charge["cumulative_fen"])
            continue
        purses = [
            Purse(voucher=name, left=Money(fen - taken[name]), expires_on=expiry[name])
            for name, fen in held.items()
            if name.startswith("voucher_")
        ]
        so_far = Money(sum(fen for name, fen in taken.items() if name.startswith("voucher_")))
        wanted = split_step(
            before, Money(charge["amount_fen"]), purses, rate=rate, voucher_so_far=so_far
        )
        found: dict[str, int] = defaultdict(int)
        for one in parts:
            source = "cash" if one["content"]["reason"] == "shortfall" else _source(one)
            found[source] += one["content"]["fen"]
            if one["content"]["reason"] != "shortfall":
                taken[source] += one["content"]["fen"]
        given = {name: part.fen for name, part in wanted.from_vouchers}
        if wanted.cash:
            given["cash"] = wanted.cash.fen
        if given != dict(found):
            yield f"{named}：按券付比例应为 {_split(given)}，核销的是 {_split(found)}"
        before = Money(charge["cumulative_fen"])


def _corrected(
    named: str,
    charge: Bundle,
    parts: list[Bundle],
    taken: dict[str, int],
    rate: Fraction,
    expiry: Mapping[str, date],
) -> Iterator[str]:
    """A correction gives vouchers back what is beyond their share now; more use is owed in cash."""
    amount, given = charge["amount_fen"], {}
    if amount < 0:
        purses = [
            Purse(voucher=name, left=Money(fen), expires_on=expiry[name])
            for name, fen in taken.items()
            if name.startswith("voucher_")
        ]
        back = give_back(Money(charge["cumulative_fen"]), purses, rate=rate)
        given = {name: part.fen for name, part in back}
    cash = abs(amount) - sum(given.values())
    if cash:
        given["cash"] = cash
    found: dict[str, int] = defaultdict(int)
    for one in parts:
        found[_source(one)] += one["content"]["fen"]
    for name, fen in found.items():
        if amount < 0 and name != "cash":
            taken[name] -= fen
    if given != dict(found):
        yield f"{named}：更正应动 {_split(given)}，账上动了 {_split(found)}"


def _source(one: Bundle) -> str:
    return str(one["content"]["key"]).rpartition(":")[2]


def _split(parts: Mapping[str, int]) -> str:
    return "、".join(f"{name} {fen} 分" for name, fen in sorted(parts.items())) or "没有"


def decisions(bundle: Bundle) -> Iterator[str]:
    """Decided again with the pack of the bundle: same outcome and amount; the digest is the text's."""
    packs = {one["pack"]: one["text"] for one in bundle["packs"]}
    for row in bundle["decisions"]:
        if digest(row["content"]).hex() != row["digest"]:
            yield f"{row['decision']}：判定内容与摘要不符，事实、日期或结论被改动"
        then = snapshot.read(row["content"])
        pack, why = _read(then.pack, packs.get(then.pack, ""))
        if pack is None:
            yield f"{row['decision']}：规则包 {then.pack} 读不出（{why}）"
            continue
        now = decide(bind(pack, then.law_on), then.facts, then.dates)
        for difference in snapshot.differences(then, now):
            yield f"{row['decision']}：重新判定不同，{difference}"
        found = now.of(row["rule"])
        bound = found.amount.fen if found.amount and found.outcome is Outcome.ELIGIBLE else None
        if (str(found.outcome), bound) != (row["outcome"], row["bound_fen"]):
            yield f"{row['decision']}：重新判定得 {found.outcome.label}、{bound} 分，记的是 {row['bound_fen']} 分"
        amount = row["amount_fen"]
        if amount is not None and (
            bound is None or amount > bound or (row["mode"] == "fixed" and amount != bound)
        ):
            yield f"{row['decision']}：核定 {amount} 分，规则只给 {bound} 分"


def _read(name: str, text: str) -> tuple[Pack | None, str]:
    if not PACK_ID.fullmatch(name) or not text:
        return None, "包里没有它的全文"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name, "pack.md")
        path.parent.mkdir()
        path.write_text(text, "utf-8")
        try:
            return read_pack(path), ""
        except PackInvalid as error:
            return None, error.explain()[:200]


def grants(bundle: Bundle) -> Iterator[str]:
    """A granted voucher is worth what was decided, and just that left the pool."""
    decided = {one["decision"]: one["amount_fen"] for one in bundle["decisions"]}
    issued: dict[str, int] = defaultdict(int)
    for one in bundle["transfers"]:
        said = one["content"]
        if said["reason"] == "voucher_issue" and said["step"] in ("single", "post"):
            issued[said["credit"]] += said["fen"]
    for voucher in bundle["vouchers"]:
        face, name = voucher["face_fen"], voucher["voucher"]
        if voucher["decision"] and decided.get(voucher["decision"]) != face:
            yield f"{name}：面额 {face} 分，判定的是 {decided.get(voucher['decision'])} 分"
        if issued[f"voucher:{name}"] != face:
            yield f"{name}：面额 {face} 分，账上发放 {issued[f'voucher:{name}']} 分"


def redemptions(bundle: Bundle) -> Iterator[str]:
    """What is due follows from the numbers, was drawn by the captures, and is what was paid."""
    vouchers = {one["voucher"]: one for one in bundle["vouchers"]}
    for row in bundle["redemptions"]:
        name, voucher = row["redemption"], vouchers[row["voucher"]]
        captured = row["captured_fen"]
        four = Four(
            **{n: Money(row[f"{n}_fen"]) for n in ("contract", "metered", "invoiced", "paid")},
            captured=None if captured is None else Money(captured),
        )
        due, _ = four.due(rate=Fraction(*voucher["rate"]), face=Money(voucher["face_fen"]))
        most = due.fen
        if captured is not None:  # what the voucher's own jobs still have, after earlier ones
            most = min(most, row["before_fen"] + captured - _redeemed_before(bundle, row))
        if max(most, row["before_fen"]) != row["cumulative_fen"]:
            yield f"{name}：四数中最小的给 {most} 分，记的累计是 {row['cumulative_fen']} 分"
        if row["cumulative_fen"] - row["before_fen"] != row["amount_fen"]:
            yield f"{name}：累计减此前不是本次的 {row['amount_fen']} 分"
        yield from _paid(bundle, row)


def _redeemed_before(bundle: Bundle, row: Bundle) -> int:
    """What earlier redemptions took with them, less what corrections gave back of it until then."""
    ours = [
        one["number"] for one in bundle["transfers"] if one["content"]["cause"] == row["redemption"]
    ]
    back: int = sum(
        one["content"]["fen"]
        for one in bundle["transfers"]
        if one["content"]["key"].startswith("correct-paid:")
        and one["content"]["key"].endswith(f":{row['voucher']}")
        and one["number"] < max(ours, default=2**62)
    )
    earlier: int = sum(
        one["amount_fen"]
        for one in bundle["redemptions"]
        if one["voucher"] == row["voucher"] and one["number"] < row["number"]
    )
    return earlier - back


def _paid(bundle: Bundle, row: Bundle) -> Iterator[str]:
    name, lines = row["redemption"], {one["line"]: one for one in bundle["payments"]}
    drawn = 0
    for one in bundle["transfers"]:
        said = one["content"]
        if said["key"].endswith(f":{row['voucher']}"):
            drawn += {"capture": 1, "correction": -1}.get(said["reason"], 0) * said["fen"]
        ours = said["reason"] == "redemption_paid" and lines[said["cause"]]["basis"] == name
        if ours and said["fen"] != row["amount_fen"]:
            yield f"{name}：核定 {row['amount_fen']} 分，拨付 {said['fen']} 分"
    last = max(one["number"] for one in bundle["redemptions"] if one["voucher"] == row["voucher"])
    if row["captured_fen"] is not None and row["number"] == last and drawn != row["captured_fen"]:
        yield f"{name}：包里的核销合计 {drawn} 分，兑付时记的是 {row['captured_fen']} 分"
