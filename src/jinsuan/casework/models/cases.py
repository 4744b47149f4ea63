"""Cases 案件, their moves 操作, who acted at which level, who stands aside, and decisions 判定."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from jinsuan.casework.moves import TABLES, Level
from jinsuan.kernel.ids import new_id
from jinsuan.kernel.ref import Role
from jinsuan.registry.models import Body, Organisation

_STATES = Q()
_ENDS = Q()
for _table in TABLES.values():
    _STATES |= Q(kind=_table.kind, state__in=[s.code for s in _table.states])
    _ENDS |= Q(kind=_table.kind, state__in=[s.code for s in _table.states if s.end])
_DIGEST = models.Func(
    models.Func(
        F("content"), models.Value("UTF8"), function="convert_to", output_field=models.BinaryField()
    ),
    function="sha256",
    output_field=models.BinaryField(),
)


class CaseCounter(models.Model):
    """编号: the last number given out for one programme in one year."""

    programme = models.CharField(max_length=20)
    year = models.IntegerField()
    last = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="case_counter_once", fields=["programme", "year"]),
        ]

    def __str__(self) -> str:
        return f"{self.year}-{self.programme}: {self.last}"


class Case(models.Model):
    """案件. `moves_made` grows with every move, so a decision says which papers it judged."""

    id = models.UUIDField(primary_key=True, default=new_id)
    number = models.CharField(max_length=40, unique=True)  # "2025-m09-0001"
    programme = models.CharField(max_length=20)
    year = models.IntegerField()  # the Beijing year of opening
    sequence = models.IntegerField()
    kind = models.CharField(max_length=20)  # which table of moves
    title = models.CharField(max_length=120)
    applicant = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    body = models.ForeignKey(Body, models.PROTECT, related_name="+")
    state = models.CharField(max_length=20)
    moves_made = models.IntegerField(default=0)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="case_sequence_once", fields=["programme", "year", "sequence"]
            ),
            models.CheckConstraint(
                name="case_number_form",
                condition=Q(number__regex=r"^[0-9]{4}-[a-z0-9]{1,20}-[0-9]{4,}$"),
            ),
            models.CheckConstraint(name="case_state_of_its_table", condition=_STATES),
            models.CheckConstraint(
                name="case_closed_at_its_end",
                condition=(_ENDS & Q(closed_at__isnull=False))
                | (~_ENDS & Q(closed_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="case_counts", condition=Q(sequence__gt=0) & Q(moves_made__gte=0)
            ),
        ]
        indexes = [
            models.Index(name="case_by_state", fields=["kind", "state", "opened_at"]),
            models.Index(name="case_by_applicant", fields=["applicant", "opened_at"]),
        ]

    def __str__(self) -> str:
        return self.number


class Hand(models.Model):
    """经手: at which level a person acts in a case. One level per person, said by the database:
    moves and decisions point at this row by case, person and level together (migration 0002).
    """

    case = models.ForeignKey(Case, models.PROTECT, related_name="hands")
    person = models.UUIDField()
    level = models.CharField(max_length=20)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="hand_one_level", fields=["case", "person"]),
            models.UniqueConstraint(name="hand_whole", fields=["case", "person", "level"]),
            models.CheckConstraint(
                name="hand_level_known", condition=Q(level__in=[str(one) for one in Level])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.case_id}/{self.person}/{self.level}"


class Recusal(models.Model):
    """回避: a person who stands aside from a case. Only ever added."""

    case = models.ForeignKey(Case, models.PROTECT, related_name="recusals")
    person = models.UUIDField()
    reason = models.CharField(max_length=400)
    declared_by = models.UUIDField()
    declared_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="recusal_once", fields=["case", "person"]),
            models.CheckConstraint(name="recusal_says_why", condition=~Q(reason="")),
        ]

    def __str__(self) -> str:
        return f"{self.case_id}/{self.person}"


class CaseMove(models.Model):
    """操作: one step of a case. Only ever added."""

    id = models.UUIDField(primary_key=True, default=new_id)
    case = models.ForeignKey(Case, models.PROTECT, related_name="moves")
    number = models.IntegerField()  # 1, 2, 3 … within the case
    name = models.CharField(max_length=20)
    source = models.CharField(max_length=20)
    target = models.CharField(max_length=20)
    level = models.CharField(max_length=20)
    person = models.UUIDField(null=True)  # None: the platform itself
    organisation = models.UUIDField(null=True)
    role = models.CharField(max_length=30)
    reason = models.TextField(blank=True)
    before_digest = models.BinaryField(max_length=32)
    after_digest = models.BinaryField(max_length=32)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="case_move_number", fields=["case", "number"]),
            models.CheckConstraint(
                name="case_move_person_unless_system",
                condition=Q(role=Role.SYSTEM.value, person=None)
                | (~Q(role=Role.SYSTEM.value) & Q(person__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.case_id}#{self.number}"


class Decision(models.Model):
    """判定: what the law said of these facts on that day, and the amount. Only ever added.

    `content` is the canonical text of everything it rests on: facts with how well they are proven
    and by what, the pack's digest, the engine, the dates and what each rule said.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    case = models.ForeignKey(Case, models.PROTECT, related_name="decisions")
    moves_made = models.IntegerField()  # the case's, when this was decided
    pack = models.CharField(max_length=80)
    rule = models.CharField(max_length=40)
    mode = models.CharField(max_length=20)  # a member of policy.pack.Mode
    outcome = models.CharField(max_length=20)  # a member of policy.decide.Outcome
    bound_fen = models.BigIntegerField(null=True)  # what the law gives, or at most allows
    amount_fen = models.BigIntegerField(null=True)
    content = models.TextField()
    content_digest = models.BinaryField(max_length=32)
    reason = models.TextField(blank=True)
    level = models.CharField(max_length=20)
    person = models.UUIDField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="decision_within_bound",
                condition=Q(amount_fen__isnull=True)
                | (Q(amount_fen__gte=0) & Q(amount_fen__lte=F("bound_fen"))),
            ),
            models.CheckConstraint(
                name="decision_amount_needs_eligible",
                condition=Q(amount_fen__isnull=True)
                | (Q(outcome="eligible") & Q(bound_fen__isnull=False)),
            ),
            models.CheckConstraint(
                name="decision_fixed_is_not_chosen",
                condition=~Q(mode="fixed")
                | Q(amount_fen=F("bound_fen"))
                | Q(amount_fen__isnull=True, bound_fen__isnull=True),
            ),
            models.CheckConstraint(
                name="decision_chosen_with_reason",
                condition=Q(amount_fen__isnull=True) | Q(mode="fixed") | ~Q(reason=""),
            ),
            models.CheckConstraint(
                name="decision_digest_is_of_content", condition=Q(content_digest=_DIGEST)
            ),
        ]
        indexes = [models.Index(name="decision_by_case", fields=["case", "moves_made"])]

    def __str__(self) -> str:
        return str(self.id)
