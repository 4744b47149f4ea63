"""What the registry refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from jinsuan.kernel.errors import DomainError

if TYPE_CHECKING:
    from jinsuan.registry.inventory import Problem


@dataclass(eq=False)
class TokenInvalid(DomainError):
    """令牌无效: unknown, revoked or expired look alike."""

    code: ClassVar[str] = "registry.token_invalid"
    http_status: ClassVar[int] = 401

    def explain(self) -> str:
        return "令牌无效或已过期。请在账户页面另发一个令牌，再用 jinsuan login 登录。"


@dataclass(eq=False)
class ScopeUnknown(DomainError):
    """没有这项令牌权限."""

    code: ClassVar[str] = "registry.scope_unknown"
    http_status: ClassVar[int] = 422
    scope: str
    known: tuple[str, ...]

    def explain(self) -> str:
        return f"没有发令牌：没有“{self.scope}”这项权限。可用的权限：{'、'.join(self.known)}。"


@dataclass(eq=False)
class SignatureInvalid(DomainError):
    """代理签名不符: an unknown centre, a revoked key and a wrong signature look alike."""

    code: ClassVar[str] = "registry.signature_invalid"
    http_status: ClassVar[int] = 401
    centre: str

    def explain(self) -> str:
        return (
            f"中心 {self.centre} 的报文签名核对不上，没有采用。"
            "请确认代理用的是最近一次登记的密钥；密钥已更换或作废时，请重新登记。"
        )


@dataclass(eq=False)
class ClockSkewed(DomainError):
    """代理时钟偏差过大."""

    code: ClassVar[str] = "registry.clock_skewed"
    http_status: ClassVar[int] = 401
    seconds: int
    limit: int
    platform_time: datetime

    def explain(self) -> str:
        return (
            f"代理的时钟与平台相差 {self.seconds} 秒，超过 {self.limit} 秒，报文没有采用。"
            f"平台时间是 {self.platform_time.isoformat()}；请校准中心的时钟（NTP）。"
        )


@dataclass(eq=False)
class MessageReplayed(DomainError):
    """报文重复或乱序."""

    code: ClassVar[str] = "registry.message_replayed"
    boot: int
    sequence: int
    last_boot: int
    last_sequence: int

    def explain(self) -> str:
        return (
            f"报文序号 {self.boot}/{self.sequence} 不在最近一份 {self.last_boot}/"
            f"{self.last_sequence} 之后，没有采用。代理会用新序号重发；"
            "若反复出现，请检查是否有两个代理使用同一状态文件夹。"
        )


@dataclass(eq=False)
class EnrolmentRefused(DomainError):
    """登记码不能用: wrong, used, expired and another centre's look alike."""

    code: ClassVar[str] = "registry.enrolment_refused"
    http_status: ClassVar[int] = 401

    def explain(self) -> str:
        return "登记码不能用：可能已用过、已过期，或不是这个中心的。请向平台运营另要一个登记码。"


@dataclass(eq=False)
class AlreadyRegistered(DomainError):
    """已经登记过."""

    code: ClassVar[str] = "registry.already_registered"
    what: str
    name: str

    def explain(self) -> str:
        return f"没有登记：{self.what} {self.name} 已经存在。请核对代码，或修改已有的记录。"


@dataclass(eq=False)
class DataKeyMissing(DomainError):
    """没有配置数据密钥: personal data can be neither kept nor shown."""

    code: ClassVar[str] = "registry.data_key_missing"
    http_status: ClassVar[int] = 503

    def explain(self) -> str:
        return (
            "没有配置数据密钥，个人信息不能保存，也不能查看；没有写入任何内容。"
            "请平台管理员运行 jinsuan key new 生成一把，写入环境变量 JINSUAN_DATA_KEY 后重启，"
            "并把它与数据库备份分开保管。"
        )


@dataclass(eq=False)
class DataKeyInvalid(DomainError):
    """数据密钥写法有误. It never repeats the key."""

    code: ClassVar[str] = "registry.data_key_invalid"
    http_status: ClassVar[int] = 503
    place: int
    problem: str

    def explain(self) -> str:
        return (
            f"JINSUAN_DATA_KEY 的第 {self.place} 把密钥有误：{self.problem}。"
            "多把密钥用逗号隔开，第一把用于加密；jinsuan key new 会打印一把写法正确的。"
        )


@dataclass(eq=False)
class DataKeyUnknown(DomainError):
    """密文用的密钥没有配置."""

    code: ClassVar[str] = "registry.data_key_unknown"
    http_status: ClassVar[int] = 503
    key: str

    def explain(self) -> str:
        return (
            f"这项个人信息是用密钥 {self.key} 加密的，而 JINSUAN_DATA_KEY 里没有它。"
            "请把它加在现有密钥的后面；全部换成新密钥加密（jinsuan key rotate）之后才能撤下旧的。"
        )


@dataclass(eq=False)
class PersonalDataDamaged(DomainError):
    """密文核对不上: changed, or copied from another row."""

    code: ClassVar[str] = "registry.personal_data_damaged"
    http_status: ClassVar[int] = 500
    field: str

    def explain(self) -> str:
        return (
            f"{self.field} 的密文核对不上：被改动过，或是从别的记录搬来的，没有采用。"
            "请平台管理员从备份核对这一行，并查留痕。"
        )


@dataclass(eq=False)
class TwoStepUnreadable(DomainError):
    """两步验证的密钥打不开. It never repeats the secret, sealed or not."""

    code: ClassVar[str] = "registry.two_step_unreadable"
    http_status: ClassVar[int] = 503
    problem: str

    def explain(self) -> str:
        return (
            f"两步验证的密钥打不开：{self.problem}。这一步没有通过，什么都没有改动。"
            "请平台管理员把加密时用的密钥加回 JINSUAN_DATA_KEY 后重启；"
            "全部换成新密钥加密（jinsuan key rotate）之后才能撤下旧的。"
        )


@dataclass(eq=False)
class InventoryUnreadable(DomainError):
    """清单文件读不了: the file as a whole, not one of its rows."""

    code: ClassVar[str] = "registry.inventory_unreadable"
    http_status: ClassVar[int] = 422
    problem: str
    mend: str

    def explain(self) -> str:
        return f"清单读不了：{self.problem}，没有导入任何内容。{self.mend}"


@dataclass(eq=False)
class InventoryRefused(DomainError):
    """清单里有错: nothing was imported; every bad row is in `problems`."""

    code: ClassVar[str] = "registry.inventory_refused"
    http_status: ClassVar[int] = 422
    rows: int
    bad_rows: int
    problems: Sequence[Problem]

    def explain(self) -> str:
        first = self.problems[0]
        return (
            f"清单共 {self.rows} 行，其中 {self.bad_rows} 行有错，一行也没有导入。"
            f"例如第 {first.row} 行“{first.column}”：{first.problem}。{first.mend}"
            "请改正后再导入；只要导入没有错的行，请选择跳过有错的行。"
        )
