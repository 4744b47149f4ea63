"""What the ledger refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.money import Money
from jinsuan.ledger.accounts import Kind, kind_of
from jinsuan.ledger.steps import Step

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
class AlreadyResolved(DomainError):
    """预留已了结: a pending transfer is posted or voided once.

    Args:
        pending: the key of the pending transfer.
        by: the key of the transfer that resolved it; empty when the same request holds two.
    """

    code: ClassVar[str] = "ledger.already_resolved"
    pending: str
    by: str

    def explain(self) -> str:
        how = f"已由转账 {self.by} 了结" if self.by else "在同一次请求里被了结两次"
        return (
            f"预留转账 {self.pending} {how}，本次一笔也没有记账。一笔预留只能转正或撤销一次。"
            "请核对已有的结果；如需更正，请另记一笔。"
        )


@dataclass(eq=False)
class PendingUnknown(DomainError):
    """预留不存在: what should be posted or voided was never reserved under this key."""

    code: ClassVar[str] = "ledger.pending_unknown"
    pending: str

    def explain(self) -> str:
        return (
            f"没有编号为 {self.pending} 的预留转账，本次一笔也没有记账。"
            "请核对编号；只有预留的转账才能转正或撤销。"
        )


@dataclass(eq=False)
class PendingDiffers(DomainError):
    """与预留不符: another pair of accounts, more than was reserved, or a void of a part.

    Args:
        accounts: the pending transfer's own, for people: debit and credit.
        reserved: what it set aside.
        asked: what the request wants to post or void.
    """

    code: ClassVar[str] = "ledger.pending_differs"
    pending: str
    accounts: str
    reserved: Money
    step: str
    asked: Money

    def explain(self) -> str:
        return (
            f"预留转账 {self.pending} 是 {self.accounts}，金额 {self.reserved}；"
            f"本次要{Step(self.step).label} {self.asked}，与它不符，一笔也没有记账。"
            "转正须用原来的两个账户、金额不超过预留；撤销须用原金额。请核对后再办理。"
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
class SealLibraryMissing(DomainError):
    """没有安装国密程序包: an SM2 key, and nothing here that computes SM2."""

    code: ClassVar[str] = "ledger.seal_library_missing"
    file: str
    install: str

    def explain(self) -> str:
        return (
            f"{self.file} 用国密 SM2，本机没有安装 SM2 的程序包，没有签名也没有核对。"
            f"请运行 {self.install}，再办理一次；没有封存的留痕会补封。"
        )


@dataclass(eq=False)
class SealDigestInvalid(DomainError):
    """封存的摘要算法不能用: nothing is sealed by another one instead."""

    code: ClassVar[str] = "ledger.seal_digest_invalid"
    problem: str

    def explain(self) -> str:
        return (
            f"JINSUAN_SEAL_DIGEST 不能用：{self.problem}。"
            "这一次没有封存；请改为 sha256 或 sm3，没有封存的留痕会补封。"
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
