"""A case's life as a table of moves (操作). Pure; no Django here.

Buttons on a page are `moves_for(...)`, an action follows `take(...)`, and the database's list of
states is made from the same tables, so the three cannot disagree. A programme adds a table; nothing
else in this room knows which programme it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from jinsuan.casework.errors import MoveNotAllowed, SamePerson, SecondPersonMissing
from jinsuan.kernel.ref import Role


class Level(StrEnum):
    """At which level somebody acts. One person acts at one level of a case, and no other."""

    APPLICANT = "applicant"
    PLATFORM = "platform"
    CITY = "city"
    PROVINCE = "province"
    TREASURY = "treasury"

    @property
    def label(self) -> str:
        return _LEVELS[self]


_LEVELS = {
    Level.APPLICANT: "申报主体",
    Level.PLATFORM: "平台初核",
    Level.CITY: "推荐单位",
    Level.PROVINCE: "省级",
    Level.TREASURY: "财政",
}
LEVEL_OF = {
    Role.TENANT: Level.APPLICANT,
    Role.CENTRE_OPERATOR: Level.APPLICANT,
    Role.SYSTEM: Level.PLATFORM,
    Role.RECOMMENDER: Level.CITY,
    Role.PROVINCIAL_OFFICER: Level.PROVINCE,
    Role.TREASURY: Level.TREASURY,
}
"""At which level a role acts; a role that is not here takes no move at all."""


class Need(StrEnum):
    """What must be there before a move is taken."""

    REASON = "reason"  # 意见：写明理由
    DECISION = "decision"  # 判定：按规则包算出的金额，针对本轮材料
    SECOND_PERSON = "second_person"  # 另一级的另一个人本轮已经办过
    NOTICE_OVER = "notice_over"  # 公示期满，没有未处理或成立的异议
    UPHELD = "upheld"  # 有成立的异议
    PAID = "paid"  # 银行已经受理付款


@dataclass(frozen=True, slots=True)
class State:
    """Where a case stands. The label is what people read.

    Args:
        end: nothing happens after it.
        releases: the documents claimed by the case become free again: nothing was paid for them.
        payable: a payment may be ordered.
        treasury: the treasury may look at it from here on.
    """

    code: str
    label: str
    end: bool = False
    releases: bool = False
    payable: bool = False
    treasury: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """One arrow of the diagram."""

    name: str
    source: str
    target: str
    role: Role
    needs: frozenset[Need] = frozenset()

    @property
    def level(self) -> Level:
        return LEVEL_OF[self.role]

    @property
    def opens_round(self) -> bool:
        """Whether it hands in papers: what officials said of earlier papers no longer counts."""
        return self.level is Level.APPLICANT


@dataclass(frozen=True, slots=True)
class Acted:
    """Somebody took a move before. `person` is None for the platform itself."""

    person: UUID | None
    level: Level
    number: int


@dataclass(frozen=True, slots=True)
class Table:
    """All states and moves of one kind of case; the first state is where it begins."""

    kind: str
    title: str
    states: tuple[State, ...]
    moves: tuple[Move, ...]

    @property
    def start(self) -> State:
        return self.states[0]

    def state(self, code: str) -> State:
        return next(state for state in self.states if state.code == code)

    def moves_for(self, state: str, role: Role) -> tuple[Move, ...]:
        """What this role can do now; the page shows exactly these buttons."""
        return tuple(m for m in self.moves if m.source == state and m.role is role)

    def papers_open(self, state: str, role: Role) -> bool:
        """Whether this applicant may still change the papers: only where they can be handed in."""
        return any(
            m.opens_round and not self.state(m.target).end for m in self.moves_for(state, role)
        )

    def take(self, state: str, name: str, role: Role) -> Move:
        """The arrow of this name, or say which arrows there are.

        Raises:
            MoveNotAllowed: with what this role can do now, and who else can do something.
        """
        allowed = self.moves_for(state, role)
        for move in allowed:
            if move.name == name:
                return move
        others = {m.level.label for m in self.moves if m.source == state and m.role is not role}
        raise MoveNotAllowed(
            name, self.state(state).label, tuple(m.name for m in allowed), tuple(sorted(others))
        )

    def problems(self) -> list[str]:
        """What is wrong with the table itself; a table in use has none."""
        return [*self._wrong_names(), *self._wrong_shape(), *self._unguarded()]

    def _wrong_names(self) -> Iterator[str]:
        codes = Counter(state.code for state in self.states)
        labels = Counter(state.label for state in self.states)
        yield from (f"state twice: {name}" for name, n in (codes + labels).items() if n > 1)
        for move in self.moves:
            for code in (move.source, move.target):
                if code not in codes:
                    yield f"{move.name}: no state {code}"
            if move.role not in LEVEL_OF:
                yield f"{move.name}: role {move.role} has no level"
        arrows = Counter((m.source, m.name, m.role) for m in self.moves)
        yield from (f"move twice: {arrow}" for arrow, n in arrows.items() if n > 1)

    def _wrong_shape(self) -> Iterator[str]:
        reached = self.reachable()
        sources = {move.source for move in self.moves}
        for state in self.states:
            if state.code not in reached:
                yield f"{state.label} is never reached"
            if state.end and state.code in sources:
                yield f"{state.label} is an end and goes on"
            if not state.end and state.code not in sources:
                yield f"{state.label} is no end and goes nowhere"
            if state.releases and not state.end:
                yield f"{state.label} releases documents and is no end"

    def _unguarded(self) -> Iterator[str]:
        for move in self.moves:
            if Need.DECISION in move.needs and Need.SECOND_PERSON not in move.needs:
                yield f"{move.name}: one person alone would decide money"
            if Need.SECOND_PERSON in move.needs and move.level in (Level.APPLICANT, Level.PLATFORM):
                yield f"{move.name}: a second person is for officials"

    def reachable(self) -> set[str]:
        """The states that some way leads to."""
        reached, fresh = set[str](), {self.start.code}
        while fresh:
            reached |= fresh
            fresh = {m.target for m in self.moves if m.source in reached} - reached
        return reached


def check_hands(move: Move, person: UUID | None, past: Iterable[Acted]) -> None:
    """Two different people at two levels (双人双级).

    Raises:
        SamePerson: this person has acted in this case at another level.
        SecondPersonMissing: nobody at another official level has acted on these papers yet.
    """
    if person is None:
        return
    acted = sorted(past, key=lambda a: a.number)
    for one in acted:
        if one.person == person and one.level is not move.level:
            raise SamePerson(one.level.label, move.level.label)
    if Need.SECOND_PERSON not in move.needs:
        return
    handed_in = [a.number for a in acted if a.level is Level.APPLICANT]
    round_began = max(handed_in, default=0)
    for one in acted:
        official = one.level not in (Level.APPLICANT, Level.PLATFORM)
        if official and one.number > round_began and one.level is not move.level:
            return
    raise SecondPersonMissing(move.name)


_OPEN = frozenset[Need]()
_SAY = frozenset({Need.REASON})
_GRANT = frozenset({Need.REASON, Need.DECISION, Need.SECOND_PERSON})


def _moves(*rows: tuple[str, str, str, Role, frozenset[Need]]) -> tuple[Move, ...]:
    return tuple(Move(*row) for row in rows)


_T, _P, _C = Role.TENANT, Role.SYSTEM, Role.RECOMMENDER
_S, _F, _O = Role.PROVINCIAL_OFFICER, Role.TREASURY, Role.CENTRE_OPERATOR
VOUCHER = Table(
    kind="voucher",
    title="算力券申领",
    states=(
        State("draft", "待提交"),
        State("checking", "审核中"),
        State("city", "市级复核"),
        State("province", "省级审定"),
        State("notice", "公示中", treasury=True),
        State("returned", "退回补正"),
        State("issued", "已发放", end=True, treasury=True),
        State("refused", "不予通过", end=True, releases=True),
        State("withdrawn", "已撤回", end=True, releases=True),
    ),
    moves=_moves(
        ("提交", "draft", "checking", _T, _OPEN),
        ("撤回", "draft", "withdrawn", _T, _OPEN),
        ("撤回", "checking", "withdrawn", _T, _SAY),
        ("撤回", "city", "withdrawn", _T, _SAY),
        ("撤回", "returned", "withdrawn", _T, _SAY),
        ("初核通过", "checking", "city", _P, _OPEN),
        ("退回补正", "checking", "returned", _P, _SAY),
        ("补正", "returned", "checking", _T, _OPEN),
        ("推荐", "city", "province", _C, _SAY),
        ("退回补正", "city", "returned", _C, _SAY),
        ("不予推荐", "city", "refused", _C, _SAY),
        ("审定通过", "province", "notice", _S, _GRANT),
        ("退回补正", "province", "returned", _S, _SAY),
        ("不予通过", "province", "refused", _S, _SAY),
        ("公示期满", "notice", "issued", _P, frozenset({Need.NOTICE_OVER})),
        ("年度结束", "notice", "refused", _P, _SAY),
        ("异议成立", "notice", "province", _S, frozenset({Need.REASON, Need.UPHELD})),
    ),
)
"""申领 (domain.md 1.5): what happens to the voucher itself after 已发放 is the vouchers' own table."""

REDEMPTION = Table(
    kind="redemption",
    title="算力券兑付",
    states=(
        State("draft", "待兑付"),
        State("checking", "兑付审核中"),
        State("approval", "省级核定"),
        State("payable", "待拨付", payable=True, treasury=True),
        State("returned", "退回补正"),
        State("paid", "已兑付", end=True, treasury=True),
        State("refused", "不予兑付", end=True, releases=True),
        State("withdrawn", "已撤回", end=True, releases=True),
    ),
    moves=_moves(
        *(
            row
            for who in (_T, _O)  # 后补: the user claims; 抵扣: the provider does
            for row in (
                ("提交", "draft", "checking", who, _OPEN),
                ("撤回", "draft", "withdrawn", who, _OPEN),
                ("撤回", "checking", "withdrawn", who, _SAY),
                ("撤回", "returned", "withdrawn", who, _SAY),
                ("补正", "returned", "checking", who, _OPEN),
            )
        ),
        ("核对一致", "checking", "approval", _P, _OPEN),
        ("退回补正", "checking", "returned", _P, _SAY),
        ("核定", "approval", "payable", _S, _SAY),
        ("退回补正", "approval", "returned", _S, _SAY),
        ("不予兑付", "approval", "refused", _S, _SAY),
        ("暂停拨付", "payable", "approval", _S, _SAY),
        ("拨付完成", "payable", "paid", _F, frozenset({Need.PAID})),
    ),
)
TABLES = {table.kind: table for table in (VOUCHER, REDEMPTION)}
