"""What the ledger refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.money import Money
from jinsuan.ledger.accounts import Kind, kind_of

_NEXT_STEP = {
    Kind.POOL: "请减少发放金额，或等预算追加后再办理。",
    Kind.VOUCHER: "请改用其他算力券或现金；冻结金额在作业结束后自动解冻。",
    Kind.CASH: "请先充值或减少用量；冻结金额在作业结束后自动解冻。",
    Kind.HOLD: "请先续冻，再核销或解冻。",
}


@dataclass(eq=False)
class InsufficientBalance(DomainError):
    """余额不足: the account that pays may not go below zero.

    Args:
        account: the code of the account.
        needed: what all postings of the request take out of it.
        available: what stands on it, with what the same request pays in.
    """

    code: ClassVar[str] = "ledger.insufficient_balance"
    account: str
    needed: Money
    available: Money

    def explain(self) -> str:
        kind = kind_of(self.account)
        return (
            f"{kind.label}账户 {self.account} 可用余额 {self.available}，"
            f"不足以支付 {self.needed}，还差 {self.needed - self.available}。"
            f"{_NEXT_STEP.get(kind, '请核对金额，或先向该账户转入资金。')}"
        )


@dataclass(eq=False)
class TransferKeyReused(DomainError):
    """转账编号重复: the key stands for another movement already. Keys live for ever."""

    code: ClassVar[str] = "ledger.transfer_key_reused"
    key: str

    def explain(self) -> str:
        return (
            f"转账编号 {self.key} 已经用于另一笔内容不同的转账，本次一笔也没有记账。"
            "请核对原转账；如需更正，请另记一笔冲正，不能改写原记录。"
        )


@dataclass(eq=False)
class SealKeyInvalid(DomainError):
    """封存密钥不能用: it never repeats the key."""

    code: ClassVar[str] = "ledger.seal_key_invalid"
    file: str
    problem: str

    def explain(self) -> str:
        return (
            f"封存密钥文件 {self.file} 不能用：{self.problem}。"
            "请核对 JINSUAN_SEAL_KEY；jinsuan audit key 会生成一把可用的密钥。"
        )


@dataclass(eq=False)
class SealKeyExists(DomainError):
    """封存密钥已存在: a new key never overwrites an old one."""

    code: ClassVar[str] = "ledger.seal_key_exists"
    file: str

    def explain(self) -> str:
        return (
            f"{self.file} 已经存在，没有生成新密钥：覆盖之后，谁也不能再用旧密钥签名。"
            "如要换钥，请先把旧文件移走保管，旧公钥继续交给审计。"
        )


@dataclass(eq=False)
class AuditFileInvalid(DomainError):
    """审计导出读不出."""

    code: ClassVar[str] = "ledger.audit_file_invalid"
    file: str
    problem: str

    def explain(self) -> str:
        return (
            f"{self.file} 不能核验：{self.problem}。"
            "请核对文件是 jinsuan audit export 的完整输出，没有经过编辑或转码。"
        )
