"""What metering refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.ref import Ref


@dataclass(eq=False)
class ResourceUnpriced(DomainError):
    """未定价: a resource without a tariff is never billed as nought; the job is stopped and flagged."""

    code: ClassVar[str] = "metering.resource_unpriced"
    resource: str

    def explain(self) -> str:
        return (
            f"资源 {self.resource} 没有生效的价目，不能计费，也不会按 0 元计费。"
            "请算力中心先登记价目，再下单或结算。"
        )


@dataclass(eq=False)
class TariffInvalid(DomainError):
    """价目有误."""

    code: ClassVar[str] = "metering.tariff_invalid"
    http_status: ClassVar[int] = 422
    resource: str
    problem: str

    def explain(self) -> str:
        return f"资源 {self.resource} 的价目没有登记：{self.problem}。请改正后重新登记。"


@dataclass(eq=False)
class CorrectionRefused(DomainError):
    """用量不能这样更正."""

    code: ClassVar[str] = "metering.correction_refused"
    problem: str
    mend: str

    def explain(self) -> str:
        return f"没有更正用量：{self.problem}。{self.mend}"


@dataclass(eq=False)
class InvoiceRefused(DomainError):
    """发票不能这样登记."""

    code: ClassVar[str] = "metering.invoice_refused"
    http_status: ClassVar[int] = 422
    number: str
    problem: str
    mend: str

    def explain(self) -> str:
        return f"发票 {self.number} 没有登记：{self.problem}。{self.mend}"


@dataclass(eq=False)
class ContractPaymentRefused(DomainError):
    """付款凭证不能这样登记."""

    code: ClassVar[str] = "metering.contract_payment_refused"
    http_status: ClassVar[int] = 422
    reference: str
    problem: str
    mend: str

    def explain(self) -> str:
        return f"付款凭证 {self.reference} 没有登记：{self.problem}。{self.mend}"


@dataclass(eq=False)
class ContractInvalid(DomainError):
    """合同有误: one field of a contract cannot be registered as it stands."""

    code: ClassVar[str] = "metering.contract_invalid"
    http_status: ClassVar[int] = 422
    number: str
    field: str
    problem: str
    mend: str

    def explain(self) -> str:
        return f"合同 {self.number} 没有登记：“{self.field}”有误，{self.problem}。{self.mend}。"


@dataclass(eq=False)
class ContractNumberTaken(DomainError):
    """合同编号已用: the same two parties have registered a contract with this number."""

    code: ClassVar[str] = "metering.contract_number_taken"
    number: str
    registered_on: date
    contract: Ref

    def explain(self) -> str:
        return (
            f"合同 {self.number} 没有登记：双方在 {self.registered_on} 已经登记过这个编号的合同"
            f"（{self.contract}）。同一份合同不必再登记；补充协议或新合同请用它自己的编号。"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProblem:
    """What is wrong with one cell of a file. The header is row 1."""

    row: int
    column: str
    value: str
    problem: str
    mend: str


@dataclass(eq=False)
class UsageFileRefused(DomainError):
    """读数文件没有采用: nothing of it was written. `problems` are the first ones, `count` all."""

    code: ClassVar[str] = "metering.usage_file_refused"
    http_status: ClassVar[int] = 422
    problems: tuple[RowProblem, ...]
    count: int

    def explain(self) -> str:
        first = self.problems[0]
        place = f"第 {first.row} 行" + (f"“{first.column}”列" if first.column else "")
        value = f"（写的是“{first.value}”）" if first.value else ""
        more = f"共 {self.count} 处有误，这是第一处。" if self.count > 1 else ""
        return (
            f"读数文件没有采用，什么也没有写入：{place}{value}{first.problem}。{first.mend}{more}"
        )
