"""What vouchers refuse."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.money import Money


@dataclass(eq=False)
class NotEnoughMoney(DomainError):
    """钱不够: vouchers and cash together do not cover what the job may cost."""

    code: ClassVar[str] = "vouchers.not_enough_money"
    needed: Money
    from_vouchers: Money
    cash_needed: Money
    cash_available: Money

    def explain(self) -> str:
        missing = self.cash_needed - self.cash_available
        return (
            f"现金还差 {missing}：这个作业最多要 {self.needed}，其中算力券可付 {self.from_vouchers}，"
            f"现金要付 {self.cash_needed}，可用现金 {self.cash_available}。"
            "可以充值，或把最长运行时间、预算改小。"
        )


@dataclass(eq=False)
class ProgrammeClosed(DomainError):
    """算力券年度未开放或已失效: the law behind the pool is not in force on this day."""

    code: ClassVar[str] = "vouchers.programme_closed"
    programme: str
    on: date
    opens_on: date
    closes_on: date

    def explain(self) -> str:
        return (
            f"没有发券：{self.programme} 的有效期为 {self.opens_on} 至 {self.closes_on}（含），"
            f"{self.on} 不在其内，所依据的政策在这一天不适用。"
            "已发的券按各自有效期使用；请等待新的文件，或核对业务日期。"
        )


@dataclass(eq=False)
class ProgrammeRuns(DomainError):
    """算力券年度还没有结束: what waits for its vouchers is not given up yet."""

    code: ClassVar[str] = "vouchers.programme_runs"
    programme: str
    on: date
    closes_on: date

    def explain(self) -> str:
        return (
            f"没有按年度结束办理：{self.programme} 到 {self.closes_on}（含）才结束，今天是 {self.on}。"
            "公示期满照常发券；不发的，请按撤回或撤销办理。"
        )


@dataclass(eq=False)
class VoucherTermsInvalid(DomainError):
    """券面要素有误."""

    code: ClassVar[str] = "vouchers.terms_invalid"
    http_status: ClassVar[int] = 422
    problem: str
    mend: str

    def explain(self) -> str:
        return f"没有发券：{self.problem}。{self.mend}"


@dataclass(eq=False)
class VoucherMoveRefused(DomainError):
    """算力券现在不能这样办."""

    code: ClassVar[str] = "vouchers.move_refused"
    voucher: str
    act: str
    state: str
    from_states: tuple[str, ...]

    def explain(self) -> str:
        return (
            f"没有{self.act}：算力券 {self.voucher} 现在是“{self.state}”，"
            f"只有“{'”或“'.join(self.from_states)}”的券可以{self.act}。请核对编号和现状。"
        )


@dataclass(eq=False)
class BankFileRefused(DomainError):
    """银行流水文件没有采用: nothing of it was booked."""

    code: ClassVar[str] = "vouchers.bank_file_refused"
    http_status: ClassVar[int] = 422
    line: int
    problem: str
    mend: str

    def explain(self) -> str:
        return f"整份流水没有采用：第 {self.line} 行{self.problem}。{self.mend}"


@dataclass(eq=False)
class BankEntryRefused(DomainError):
    """这笔流水不能这样认领."""

    code: ClassVar[str] = "vouchers.bank_entry_refused"
    reference: str
    problem: str
    mend: str

    def explain(self) -> str:
        return f"流水 {self.reference} 没有认领：{self.problem}。{self.mend}"


@dataclass(eq=False)
class CashOrderRefused(DomainError):
    """付款单不能这样办."""

    code: ClassVar[str] = "vouchers.cash_order_refused"
    order: str
    problem: str
    mend: str

    def explain(self) -> str:
        return f"付款单 {self.order} 没有办理：{self.problem}。{self.mend}"


@dataclass(eq=False)
class ApplicationIncomplete(DomainError):
    """申领材料不全."""

    code: ClassVar[str] = "vouchers.application_incomplete"
    http_status: ClassVar[int] = 422
    number: str
    missing: tuple[str, ...]

    def explain(self) -> str:
        return (
            f"没有提交：案件 {self.number} 还缺 {len(self.missing)} 项（{'；'.join(self.missing)}）。"
            "请补齐后再提交，已填的内容都在。"
        )


@dataclass(eq=False)
class ApplicantOwes(DomainError):
    """申报主体有未还的追缴款."""

    code: ClassVar[str] = "vouchers.applicant_owes"
    name: str
    owed: Money

    def explain(self) -> str:
        return (
            f"没有办理：{self.name} 还有 {self.owed} 追缴款没有退回，退清之前不发新券、不兑付。"
            "请先退回监管账户，到账后再办。"
        )


@dataclass(eq=False)
class RedemptionRefused(DomainError):
    """不能这样兑付."""

    code: ClassVar[str] = "vouchers.redemption_refused"
    problem: str
    mend: str

    def explain(self) -> str:
        return f"没有办理兑付：{self.problem}。{self.mend}"


@dataclass(eq=False)
class NewDoubts(DomainError):
    """核查以后又有新的疑点."""

    code: ClassVar[str] = "vouchers.new_doubts"
    case: str
    titles: tuple[str, ...]

    def explain(self) -> str:
        return (
            f"没有签署：案件 {self.case} 在上次核查以后又有 {len(self.titles)} 个新疑点"
            f"（{'；'.join(self.titles)}）。请在案件页核实、写明结论后再签。"
        )


@dataclass(eq=False)
class ClawbackRefused(DomainError):
    """不能这样追缴."""

    code: ClassVar[str] = "vouchers.clawback_refused"
    problem: str
    mend: str

    def explain(self) -> str:
        return f"没有办理追缴：{self.problem}。{self.mend}"


@dataclass(eq=False)
class PaymentStopped(DomainError):
    """账户停付: two books do not agree about this account."""

    code: ClassVar[str] = "vouchers.payment_stopped"
    account: str
    kind: str
    place: str
    words: str
    expected: Money
    found: Money

    def explain(self) -> str:
        return (
            f"没有付款：账户 {self.account} 有未查清的差异（{self.kind}），在 {self.place}：{self.words}，"
            f"应为 {self.expected}，实为 {self.found}。只停这一个账户。"
            "请省级经办或财政查清、更正并销差后再付。"
        )


@dataclass(eq=False)
class DifferenceStays(DomainError):
    """差异还在."""

    code: ClassVar[str] = "vouchers.difference_stays"
    account: str
    place: str
    expected: Money
    found: Money

    def explain(self) -> str:
        return (
            f"没有销差：账户 {self.account} 在 {self.place} 仍然应为 {self.expected}、实为 {self.found}。"
            "请先用冲正或更正把账改对；与银行的差异要有新的银行文件才能核对。"
        )
