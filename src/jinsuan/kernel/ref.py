"""`Ref` names one thing of any room; `Actor` says who acts. Both are values without behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from jinsuan.kernel.ids import read_id, show_id


@dataclass(frozen=True, order=True, slots=True)
class Ref:
    """A typed pointer such as `job_01k…`, used where rooms speak of each other's things.

    Args:
        kind: the prefix, a short lower-case word that only one room uses.
        id: the thing's UUIDv7.
    """

    kind: str
    id: UUID

    def __str__(self) -> str:
        return show_id(self.kind, self.id)

    @classmethod
    def read(cls, text: str) -> Ref:
        """Read `job_01k…`.

        Raises:
            ValueError: the text is no identifier.
        """
        kind = text.partition("_")[0]
        if not kind.isascii() or not kind.islower() or not kind.isalpha():
            raise ValueError(f"{text[:60]!r} does not start with a kind")
        return cls(kind, read_id(kind, text))


class Role(StrEnum):
    """What somebody may do for an organisation. Labels: registry; permissions: each room's doors."""

    TENANT = "tenant"  # 用算主体
    CENTRE_OPERATOR = "centre_operator"  # 算力企业
    RECOMMENDER = "recommender"  # 推荐单位
    PROVINCIAL_OFFICER = "provincial_officer"  # 省级经办
    EXPERT = "expert"  # 专家
    TREASURY = "treasury"  # 财政
    AUDITOR = "auditor"  # 审计
    PLATFORM_OPERATOR = "platform_operator"  # 平台运营
    SYSTEM = "system"  # 平台自身：定时任务、代理


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does it, for whom, as what and through which way in. Never optional in an action.

    Args:
        person: the person's id; None only for the platform itself (`role` is then SYSTEM).
        organisation: the organisation acted for; None only for the platform itself.
        role: one role, not a set: a person with several picks one.
        via: the way in, such as "cli", "portal", "api", "worker" or "agent:<centre>".
    """

    person: UUID | None
    organisation: UUID | None
    role: Role
    via: str

    def __post_init__(self) -> None:
        assert (self.person is None) == (self.role is Role.SYSTEM), self
        assert self.organisation is not None or self.role is Role.SYSTEM, self
        assert self.via, self

    @classmethod
    def system(cls, via: str) -> Actor:
        """The platform itself, named by the timer or channel that acts."""
        return cls(person=None, organisation=None, role=Role.SYSTEM, via=via)
