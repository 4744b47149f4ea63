"""What casework refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.money import Money


@dataclass(eq=False)
class MoveNotAllowed(DomainError):
    """现在不能这样办理."""

    code: ClassVar[str] = "casework.move_not_allowed"
    move: str
    state: str
    possible: tuple[str, ...]
    others: tuple[str, ...] = ()

    def explain(self) -> str:
        can = (
            f"您现在可以：{'、'.join(self.possible)}。"
            if self.possible
            else "您现在没有可办的操作。"
        )
        wait = f"等待办理的是：{'、'.join(self.others)}。" if self.others else ""
        return f"没有办理“{self.move}”：案件现在是“{self.state}”。{can}{wait}"


@dataclass(eq=False)
class CaseFrozen(DomainError):
    """案件因疑点冻结."""

    code: ClassVar[str] = "casework.case_frozen"
    number: str
    findings: tuple[str, ...]

    def explain(self) -> str:
        return (
            f"没有办理：案件 {self.number} 有 {len(self.findings)} 个未处理的疑点"
            f"（{'、'.join(self.findings)}），办理暂停。请由疑点负责人核实并写明结论。"
        )


@dataclass(eq=False)
class SamePerson(DomainError):
    """同一人不能办两级."""

    code: ClassVar[str] = "casework.same_person"
    http_status: ClassVar[int] = 403
    before: str
    now: str

    def explain(self) -> str:
        return (
            f"没有办理：您在这个案件里已经以“{self.before}”的身份办过，不能再以“{self.now}”的身份办。"
            "请由另一位同事办理。"
        )


@dataclass(eq=False)
class SecondPersonMissing(DomainError):
    """缺少另一级的办理."""

    code: ClassVar[str] = "casework.second_person_missing"
    move: str

    def explain(self) -> str:
        return (
            f"没有办理“{self.move}”：这一轮材料还没有另一级的另一个人办过，一个人不能单独决定。"
            "请先由推荐单位复核。"
        )


@dataclass(eq=False)
class ConflictOfInterest(DomainError):
    """应当回避."""

    code: ClassVar[str] = "casework.conflict_of_interest"
    http_status: ClassVar[int] = 403
    why: str

    def explain(self) -> str:
        return f"没有办理：{self.why}，应当回避。请由其他人员办理。"


@dataclass(eq=False)
class DecisionMissing(DomainError):
    """缺少可用的判定."""

    code: ClassVar[str] = "casework.decision_missing"
    why: str

    def explain(self) -> str:
        return f"没有通过：{self.why}。请按现在的材料和规则包重新判定，金额由判定得出。"


@dataclass(eq=False)
class AmountRefused(DomainError):
    """金额不能这样定."""

    code: ClassVar[str] = "casework.amount_refused"
    problem: str
    bound: Money | None
    mend: str

    def explain(self) -> str:
        bound = f"（按规则最多 {self.bound}）" if self.bound is not None else ""
        return f"没有记下判定：{self.problem}{bound}。{self.mend}"


@dataclass(eq=False)
class NoticeNotOver(DomainError):
    """公示没有结束."""

    code: ClassVar[str] = "casework.notice_not_over"
    why: str

    def explain(self) -> str:
        return f"没有办理：{self.why}。公示期满且异议都处理完之后再办。"


@dataclass(eq=False)
class NoticeRefused(DomainError):
    """不能这样公示或处理异议."""

    code: ClassVar[str] = "casework.notice_refused"
    problem: str
    mend: str

    def explain(self) -> str:
        return f"没有办理：{self.problem}。{self.mend}"


@dataclass(eq=False)
class CalendarUnknown(DomainError):
    """没有这一年的工作日安排."""

    code: ClassVar[str] = "casework.calendar_unknown"
    day: date

    def explain(self) -> str:
        return (
            f"算不出工作日：平台没有 {self.day.year} 年的节假日和调休安排（查到 {self.day}）。"
            "请平台运营按国务院办公厅当年的通知录入全年安排后再办。"
        )


@dataclass(eq=False)
class DocumentClaimed(DomainError):
    """单据已经用过. It never says by whom or for what."""

    code: ClassVar[str] = "casework.document_claimed"
    kind: str
    shown: str

    def explain(self) -> str:
        return (
            f"没有登记：{self.kind} {self.shown} 已经在一个案件里用过；同一份单据在所有方向只能用一次。"
            "请核对号码；确属误登时，请联系推荐单位核查。"
        )


@dataclass(eq=False)
class FindingClosed(DomainError):
    """疑点已经有结论."""

    code: ClassVar[str] = "casework.finding_closed"
    finding: str

    def explain(self) -> str:
        return f"没有改动：疑点“{self.finding}”已经有结论，结论不能改写。有新情况请另开一个疑点。"


@dataclass(eq=False)
class PapersClosed(DomainError):
    """材料已经提交，不能再改."""

    code: ClassVar[str] = "casework.papers_closed"
    act: str
    state: str

    def explain(self) -> str:
        return (
            f"没有{self.act}：案件现在是“{self.state}”，提交之后材料不能再改。"
            "需要补充时，请联系办理人员退回补正；已办结的请另提一件。"
        )


@dataclass(eq=False)
class FileRefused(DomainError):
    """附件不能收."""

    code: ClassVar[str] = "casework.file_refused"
    http_status: ClassVar[int] = 422
    name: str
    problem: str
    mend: str

    def explain(self) -> str:
        return f"没有收下附件“{self.name[:60]}”：{self.problem}。{self.mend}"


@dataclass(eq=False)
class FileTooLarge(DomainError):
    """附件太大."""

    code: ClassVar[str] = "casework.file_too_large"
    http_status: ClassVar[int] = 413
    name: str
    size: int
    limit: int

    def explain(self) -> str:
        return (
            f"没有收下附件“{self.name[:60]}”：{self.size:,} 字节，上限 {self.limit:,} 字节。"
            "请压缩扫描件的分辨率，或分成几个文件。"
        )


@dataclass(eq=False)
class FileInfected(DomainError):
    """附件没有通过病毒检查."""

    code: ClassVar[str] = "casework.file_infected"
    http_status: ClassVar[int] = 422
    name: str
    finding: str

    def explain(self) -> str:
        return (
            f"没有收下附件“{self.name[:60]}”：病毒检查报告“{self.finding[:80]}”。"
            "请在本单位查杀后，从原件重新导出再传。"
        )


@dataclass(eq=False)
class ScanUnavailable(DomainError):
    """病毒检查暂不可用: nothing unscanned is kept."""

    code: ClassVar[str] = "casework.scan_unavailable"
    http_status: ClassVar[int] = 503
    name: str

    def explain(self) -> str:
        return (
            f"没有收下附件“{self.name[:60]}”：病毒检查服务没有应答，未经检查的文件一律不收。"
            "请稍后再传；平台管理员请检查病毒检查服务。"
        )


@dataclass(eq=False)
class FileDamaged(DomainError):
    """附件原件核对不上."""

    code: ClassVar[str] = "casework.file_damaged"
    http_status: ClassVar[int] = 500
    name: str

    def explain(self) -> str:
        return (
            f"附件“{self.name[:60]}”的原件不在，或与登记的摘要不符，没有交出。"
            "请平台管理员从备份恢复，并查留痕。"
        )


@dataclass(eq=False)
class PaymentRefused(DomainError):
    """拨付不能这样办."""

    code: ClassVar[str] = "casework.payment_refused"
    problem: str
    mend: str

    def explain(self) -> str:
        return f"没有办理拨付：{self.problem}。{self.mend}"


@dataclass(frozen=True, slots=True)
class SheetProblem:
    """One mistake in a sheet. Line 1 is the header; no column: the whole line."""

    line: int
    column: str
    problem: str
    mend: str

    def words(self) -> str:
        """One sentence."""
        column = f"“{self.column}”" if self.column else ""
        return f"第 {self.line} 行{column}{self.problem}。{self.mend}"


@dataclass(eq=False)
class SheetInvalid(DomainError):
    """表格有错: nothing of it was taken."""

    code: ClassVar[str] = "casework.sheet_invalid"
    http_status: ClassVar[int] = 422
    problems: tuple[SheetProblem, ...]

    def explain(self) -> str:
        shown = "".join(problem.words() for problem in self.problems[:5])
        more = f"另有 {len(self.problems) - 5} 处。" if len(self.problems) > 5 else ""
        return f"整份文件没有采用，有 {len(self.problems)} 处错误：{shown}{more}"


@dataclass(eq=False)
class PayeeAccountRefused(DomainError):
    """收款账户不能这样登记或核实."""

    code: ClassVar[str] = "casework.payee_account_refused"
    organisation: str
    problem: str
    mend: str

    def explain(self) -> str:
        return f"{self.organisation}的收款账户没有办理：{self.problem}。{self.mend}"
