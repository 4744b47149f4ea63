"""The score that the voucher machine keeps: whole fen in plain Python, and what the ledger must show.

It knows no table and no action. Whoever changes how money is split has to change it here as well, in
other words; the machine compares the two after every step.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from uuid import UUID

from jinsuan.kernel.ref import Ref


@dataclass(slots=True, kw_only=True)
class VoucherScore:
    """One voucher. `left`, `held`, `used`, `redeemed` and `returned` always make its face."""

    id: UUID
    tenant: UUID
    face: int
    rate: Fraction
    valid_from: date
    expires_on: date
    contract: UUID | None = None
    state: str = "issued"
    left: int = 0
    held: int = 0
    used: int = 0
    returned: int = 0
    redeemed: int = 0  # approved and not stopped, paid or not
    paid: int = 0
    clawed: int = 0


@dataclass(slots=True, kw_only=True)
class JobScore:
    """One job's money. `parts` is what it holds of each voucher and what it captured of that."""

    id: UUID
    attempt: UUID
    tenant: UUID
    contract: UUID
    since: datetime
    rate: Fraction
    authorised: int
    covered: int
    parts: dict[UUID, list[int]]
    cash: list[int]
    charged: int = 0
    short: int = 0
    charges: int = 0
    usage: int = 0
    released: bool = False

    @property
    def voucher_used(self) -> int:
        return sum(captured for _, captured in self.parts.values())


@dataclass(slots=True, kw_only=True)
class ClaimScore:
    """One redemption: `amount` once it was handed in, `approved` while money lies ready or is paid."""

    id: UUID
    voucher: UUID
    number: int
    through: date
    amount: int = 0
    invoiced: int = 0
    approved: bool = False
    paid: bool = False
    dead: bool = False


@dataclass(slots=True, kw_only=True)
class Papers:
    """What contracts, meters, sellers and payers say: four sources, each with its days."""

    ceilings: dict[UUID, int] = field(default_factory=dict)
    charges: list[tuple[UUID, date, int]] = field(default_factory=list)
    invoices: list[tuple[UUID, date, int]] = field(default_factory=list)
    payments: list[tuple[UUID, date, int]] = field(default_factory=list)

    @staticmethod
    def upto(rows: list[tuple[UUID, date, int]], contract: UUID | None, through: date) -> int:
        return sum(fen for one, day, fen in rows if one == contract and day <= through)


@dataclass(slots=True, kw_only=True)
class Score:
    """Everything, by what it means; `expected` says on which account it stands."""

    programme: str
    deduct: bool
    provider: UUID
    closes_on: date
    total: int
    pool: int
    caps: dict[UUID, int]
    cash: dict[UUID, int]
    pending: dict[UUID, tuple[UUID, int]] = field(default_factory=dict)  # grant: tenant, fen
    granted: dict[UUID, int] = field(default_factory=dict)  # tenant: fen
    vouchers: dict[UUID, VoucherScore] = field(default_factory=dict)
    jobs: dict[UUID, JobScore] = field(default_factory=dict)
    papers: Papers = field(default_factory=Papers)
    claims: dict[UUID, ClaimScore] = field(default_factory=dict)  # by case
    lapsed: int = 0
    to_pool: int = 0
    bank: int = 0
    clawed: int = 0
    owed: dict[UUID, int] = field(default_factory=lambda: defaultdict(int))

    # ------------------------------------------------------------- who pays

    def usable(self, tenant: UUID, today: date, contract: UUID | None) -> list[VoucherScore]:
        """Vouchers of a tenant that may pay today, the one that expires first in front."""
        rows = [
            v
            for v in self.vouchers.values()
            if self.deduct
            and v.tenant == tenant
            and v.state == "issued"
            and v.valid_from <= today <= v.expires_on
            and v.left > 0
            and v.contract in (None, contract)
        ]
        return sorted(rows, key=lambda v: (v.expires_on, v.id))

    def plan(
        self, tenant: UUID, cover: int, today: date, contract: UUID | None, *, vouchers: bool
    ) -> tuple[Fraction, dict[UUID, int], int]:
        """How a hold would be paid: rate, vouchers' parts, cash."""
        rows = self.usable(tenant, today, contract) if vouchers else []
        rate = rows[0].rate if rows else Fraction(0)
        parts = take(int(rate * cover), [(v.id, v.left) for v in rows if v.rate == rate])
        return rate, parts, cover - sum(parts.values())

    def hold(self, job: JobScore, parts: dict[UUID, int], cash: int) -> None:
        for voucher, fen in parts.items():
            row = self.vouchers[voucher]
            row.left, row.held = row.left - fen, row.held + fen
            job.parts.setdefault(voucher, [0, 0])[0] += fen
        self.cash[job.tenant] -= cash
        job.cash[0] += cash
        self.jobs[job.id] = job

    def plan_more(
        self, job: JobScore, cover: int, today: date, contract: UUID | None
    ) -> tuple[dict[UUID, int], int]:
        """What a top-up takes: only of vouchers that the job has drawn on, never above its rate."""
        more = cover - job.covered
        rows = [v for v in self.usable(job.tenant, today, contract) if v.id in job.parts]
        so_far = sum(held for held, _ in job.parts.values())
        room = min(int(job.rate * cover) - so_far, more)
        parts = take(room, [(v.id, v.left) for v in rows])
        return parts, more - sum(parts.values())

    def capture(self, job: JobScore, charged: int) -> None:
        """The job has cost `charged` in all."""
        amount = charged - job.charged
        room = min(int(job.rate * charged) - job.voucher_used, amount)
        order = sorted(job.parts, key=lambda v: (self.vouchers[v].expires_on, v))
        free = [(v, 0 if job.released else job.parts[v][0] - job.parts[v][1]) for v in order]
        taken = take(room, free)
        for voucher, fen in taken.items():
            job.parts[voucher][1] += fen
            row = self.vouchers[voucher]
            row.held, row.used = row.held - fen, row.used + fen
        rest = amount - sum(taken.values())
        cash = 0 if job.released else min(rest, job.cash[0] - job.cash[1])
        job.cash[1] += cash
        job.short += rest - cash
        job.charged = charged

    def release(self, job: JobScore) -> None:
        if job.released:
            return
        job.released = True
        for voucher, (held, captured) in job.parts.items():
            row = self.vouchers[voucher]
            row.held, row.left = row.held - held + captured, row.left + held - captured
        self.cash[job.tenant] += job.cash[0] - job.cash[1]

    def take_back(self, voucher: VoucherScore, today: date) -> int:
        """What is left on an ended voucher goes to the pool, or lapses after the year."""
        fen, voucher.left = voucher.left, 0
        voucher.returned += fen
        if today > self.closes_on:
            self.lapsed += fen
        else:
            self.pool += fen
            self.to_pool += fen
        return fen

    def sweep(self, today: date) -> int:
        ended = [v for v in self.vouchers.values() if v.state in ("expired", "revoked")]
        return sum(self.take_back(v, today) for v in ended)

    # ------------------------------------------------------------- redemption

    def four(self, voucher: VoucherScore, through: date) -> tuple[int, int]:
        """What is due on a voucher in all up to a day, and what of it was invoiced."""
        papers, contract = self.papers, voucher.contract
        metered = papers.upto(papers.charges, contract, through)
        invoiced = papers.upto(papers.invoices, contract, through)
        short = sum(job.short for job in self.jobs.values() if job.contract == contract)
        paid = metered - short + papers.upto(papers.payments, contract, through)
        assert contract is not None
        base = max(min(papers.ceilings[contract], metered, invoiced, paid), 0)
        most = voucher.used if self.deduct else voucher.face
        return min(int(voucher.rate * base), most, voucher.face), invoiced

    def measure(self, claim: ClaimScore) -> tuple[int, int]:
        """What this redemption adds to the earlier ones, and what was invoiced."""
        voucher = self.vouchers[claim.voucher]
        cumulative, invoiced = self.four(voucher, claim.through)
        earlier = sum(
            one.amount
            for one in self.claims.values()
            if one.voucher == voucher.id and one.number < claim.number and not one.dead
        )
        more = cumulative - earlier + voucher.clawed
        if self.deduct:  # what was clawed back is no longer on the provider's account
            more = min(more, voucher.used - earlier)
        return max(more, 0), invoiced

    def approve(self, claim: ClaimScore, sign: int) -> None:
        """Approve a redemption (1), or take the approval back (-1)."""
        voucher, claim.approved = self.vouchers[claim.voucher], sign > 0
        voucher.redeemed += sign * claim.amount
        if not self.deduct:
            voucher.left -= sign * claim.amount

    # ------------------------------------------------------------- what must be true

    def check(self) -> None:
        """What holds in every state, whatever the way to it."""
        for v in self.vouchers.values():
            spent = v.used if self.deduct else v.redeemed
            assert v.left + v.held + spent + v.returned == v.face, v
            assert min(v.left, v.held, v.used, v.returned, v.redeemed, v.paid, v.clawed) >= 0, v
            assert v.clawed <= v.paid <= v.redeemed, v
            if self.deduct:
                assert v.redeemed <= v.used, v
            assert v.redeemed - v.clawed <= v.face, v
        for job in self.jobs.values():
            assert job.voucher_used <= job.rate * job.charged, job
            assert job.voucher_used + job.cash[1] + job.short == job.charged <= job.authorised, job
            assert all(0 <= captured <= held for held, captured in job.parts.values()), job
            assert 0 <= job.cash[1] <= job.cash[0], job
        issued = sum(v.face for v in self.vouchers.values())
        pending = sum(fen for _, fen in self.pending.values())
        back = sum(v.returned for v in self.vouchers.values())
        assert self.total == self.pool + pending + issued - self.to_pool, self
        assert back == self.to_pool + self.lapsed, self
        assert self.pool >= 0 and all(fen >= 0 for fen in self.cash.values()), self

    def expected(self) -> dict[str, tuple[int, int, int]]:
        """Account code to what stands on it, what is reserved on it, what is promised to it."""
        posted: dict[str, int] = defaultdict(int)
        out: dict[str, int] = defaultdict(int)
        promised: dict[str, int] = defaultdict(int)
        code = self.programme
        year, scope = code.split(":")
        seller = Ref("organisation", self.provider)
        posted[f"budget:{year}"] = -self.total
        posted[f"pool:{code}"] = self.pool + sum(fen for _, fen in self.pending.values())
        posted[f"lapsed:{code}"] = self.lapsed
        posted["bank:supervised"] = -self.bank
        posted[f"paid:{code}"] = sum(c.amount for c in self.claims.values() if c.paid)
        posted[f"clawback:{code}"] = self.clawed
        for grant, (tenant, fen) in self.pending.items():
            out[f"pool:{code}"] += fen
            promised[f"voucher:{Ref('voucher', grant)}"] += fen
            out[f"limit:{Ref('organisation', tenant)}:{year}-{scope}"] += fen
            promised[f"quota:{code}"] += fen
        for tenant, fen in self.granted.items():
            owner = Ref("organisation", tenant)
            waiting = sum(one for who, one in self.pending.values() if who == tenant)
            posted[f"limit:{owner}:{year}-{scope}"] = self.caps[tenant] - fen
            posted[f"quota:{code}"] -= self.caps[tenant] - fen
            assert fen + waiting <= self.caps[tenant]
        for tenant, fen in self.cash.items():
            posted[f"cash:{Ref('organisation', tenant)}"] = fen
        for v in self.vouchers.values():
            posted[f"voucher:{Ref('voucher', v.id)}"] = v.left
            posted[f"payable:{seller}:voucher"] += v.used - (v.redeemed if self.deduct else 0)
        for job in self.jobs.values():
            ref = Ref("job", job.id)
            for voucher, (held, captured) in job.parts.items():
                posted[f"hold:{ref}:{Ref('voucher', voucher)}"] = (
                    0 if job.released else held - captured
                )
            posted[f"hold:{ref}:cash"] = 0 if job.released else job.cash[0] - job.cash[1]
            posted[f"payable:{seller}:cash"] += job.cash[1] + job.short
            posted[f"receivable:{Ref('organisation', job.tenant)}"] -= job.short
        for claim in self.claims.values():
            ready = claim.approved and not claim.paid
            posted[f"due:{Ref('redemption', claim.id)}"] = claim.amount if ready else 0
        for payee, fen in self.owed.items():
            name = f"receivable:{Ref('organisation', payee)}:{code.replace(':', '-')}"
            posted[name] = -fen
        codes = posted.keys() | out.keys() | promised.keys()
        found = {one: (posted[one], out[one], promised[one]) for one in codes}
        return {one: three for one, three in found.items() if any(three)}


def take(room: int, purses: list[tuple[UUID, int]]) -> dict[UUID, int]:
    """Fill up to `room` from purses in this order."""
    found = {}
    for voucher, left in purses:
        fen = min(room, left)
        if fen > 0:
            found[voucher] = fen
            room -= fen
    return found
