"""Eight tables. A transfer moves one positive amount from one account to another, so every
transfer balances by construction and nothing has to add up legs. The audit book stands beside it,
and the seal over that.

Triggers refuse what these constraints cannot: changing a transfer or an audit row, deleting an
account, or making its totals shrink (migration 0002).
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Func, Q, Value

from jinsuan.kernel.ids import new_id
from jinsuan.kernel.ref import Role
from jinsuan.ledger.accounts import MAX_LENGTH, Kind
from jinsuan.ledger.reasons import Reason
from jinsuan.ledger.steps import Step

RESOLVING = [str(step) for step in Step if step.resolves]


class Account(models.Model):
    """账户. Posted totals only grow; the balance is credits - debits (credit-normal).

    What is pending comes and goes. Pending debits cannot be spent again, pending credits not yet.
    """

    code = models.CharField(max_length=MAX_LENGTH)
    kind = models.CharField(max_length=20)  # a member of accounts.Kind; the code's first part
    may_overdraw = models.BooleanField()
    debits_fen = models.BigIntegerField(default=0)
    credits_fen = models.BigIntegerField(default=0)
    debits_pending_fen = models.BigIntegerField(db_default=0)
    credits_pending_fen = models.BigIntegerField(db_default=0)
    opened_at = models.DateTimeField()  # ours: when the first posting or an action named it

    class Meta:
        db_table = "ledger_account"
        constraints = [
            models.UniqueConstraint(name="account_code", fields=["code"]),
            models.CheckConstraint(
                name="account_totals_not_negative",
                condition=Q(debits_fen__gte=0) & Q(credits_fen__gte=0),
            ),
            models.CheckConstraint(
                name="account_pending_not_negative",
                condition=Q(debits_pending_fen__gte=0) & Q(credits_pending_fen__gte=0),
            ),
            models.CheckConstraint(
                name="account_not_overdrawn",
                condition=Q(may_overdraw=True)
                | Q(debits_fen__lte=F("credits_fen") - F("debits_pending_fen")),
            ),
            models.CheckConstraint(
                name="account_kind_known", condition=Q(kind__in=[str(k) for k in Kind])
            ),
            models.CheckConstraint(
                name="account_overdraw_by_kind",
                condition=Q(may_overdraw=Q(kind__in=[str(k) for k in Kind if k.may_overdraw])),
            ),
            models.CheckConstraint(
                name="account_kind_leads_code",
                condition=Q(
                    kind=Func(
                        F("code"),
                        Value(":"),
                        Value(1),
                        function="split_part",
                        output_field=models.CharField(),
                    )
                ),
            ),
        ]
        indexes = [models.Index(name="account_by_kind", fields=["kind", "code"])]

    def __str__(self) -> str:
        return self.code


class Transfer(models.Model):
    """转账. Never updated or deleted: a mistake is corrected by a transfer the other way.

    The id follows from the key, and the key is a business fact, so a retry cannot move money
    twice. Who posted it stands in its audit row.
    """

    id = models.UUIDField(primary_key=True)
    key = models.CharField(max_length=120, unique=True)
    number = models.BigIntegerField()  # order within an account's statement; never a position
    request_hash = models.BinaryField(max_length=32)
    debit = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False)
    credit = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False)
    fen = models.BigIntegerField()
    reason = models.CharField(max_length=40)  # a member of reasons.Reason
    cause = models.CharField(max_length=80)  # a Ref
    occurred_at = models.DateTimeField()  # when it happened in the world
    recorded_at = models.DateTimeField()  # when we wrote it down
    step = models.CharField(max_length=10, db_default=Step.SINGLE.value)
    pending = models.ForeignKey("self", models.PROTECT, null=True, related_name="+", db_index=False)

    class Meta:
        db_table = "ledger_transfer"
        constraints = [
            models.CheckConstraint(name="transfer_is_positive", condition=Q(fen__gt=0)),
            models.CheckConstraint(name="transfer_moves", condition=~Q(debit=F("credit"))),
            models.CheckConstraint(name="transfer_has_key", condition=~Q(key="")),
            models.CheckConstraint(
                name="transfer_reason_known", condition=Q(reason__in=[str(r) for r in Reason])
            ),
            models.CheckConstraint(
                name="transfer_step_known", condition=Q(step__in=[str(s) for s in Step])
            ),
            models.CheckConstraint(
                name="transfer_resolves_pending",
                condition=Q(step__in=RESOLVING, pending__isnull=False)
                | (~Q(step__in=RESOLVING) & Q(pending=None)),
            ),
            models.UniqueConstraint(
                name="transfer_resolves_once",
                fields=["pending"],
                condition=Q(step__in=RESOLVING),
            ),
        ]
        indexes = [
            models.Index(name="transfer_by_debit", fields=["debit", "number"]),
            models.Index(name="transfer_by_credit", fields=["credit", "number"]),
            models.Index(name="transfer_by_cause", fields=["cause", "number"]),
        ]

    def __str__(self) -> str:
        return self.key


class AuditRow(models.Model):
    """审计记录: who did what to which thing. Holds ids of people, never names or numbers of theirs.

    The digests are SHA-256 of canonical JSON; `detail` is only there to be shown.
    """

    recorded_at = models.DateTimeField()
    person = models.UUIDField(null=True)
    organisation = models.UUIDField(null=True)
    role = models.CharField(max_length=40)
    via = models.CharField(max_length=120)
    action = models.CharField(max_length=80)
    subject = models.CharField(max_length=80)  # a Ref
    reason = models.TextField(blank=True)
    before_digest = models.BinaryField(max_length=32, null=True)
    after_digest = models.BinaryField(max_length=32, null=True)
    detail = models.JSONField(null=True)

    class Meta:
        db_table = "ledger_audit_row"
        constraints = [
            models.CheckConstraint(
                name="audit_person_unless_system",
                condition=Q(role=Role.SYSTEM.value, person=None)
                | (~Q(role=Role.SYSTEM.value) & Q(person__isnull=False)),
            ),
            models.CheckConstraint(
                name="audit_says_what", condition=~Q(action="") & ~Q(subject="") & ~Q(via="")
            ),
        ]
        indexes = [
            models.Index(name="audit_by_subject", fields=["subject", "id"]),
            models.Index(name="audit_by_person", fields=["person", "id"]),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"


class Block(models.Model):
    """封存区块: some audit rows under one Merkle root, chained to the block before (see chain.py)."""

    number = models.BigIntegerField(primary_key=True)  # 1, 2, 3 … without a gap
    previous = models.BinaryField(max_length=32)
    root = models.BinaryField(max_length=32)
    rows = models.IntegerField()
    algorithm = models.CharField(max_length=20)
    head = models.BinaryField(max_length=32)
    key = models.CharField(max_length=40, blank=True)  # whose signature; empty: nobody signed
    signature = models.BinaryField(max_length=128)
    sealed_at = models.DateTimeField()

    class Meta:
        db_table = "ledger_block"
        constraints = [
            models.UniqueConstraint(name="block_follows_one", fields=["previous"]),
            models.CheckConstraint(name="block_is_numbered", condition=Q(number__gt=0)),
            models.CheckConstraint(name="block_has_rows", condition=Q(rows__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.number}"


class SealedRow(models.Model):
    """封存记录: where one audit row stands in the chain. Readers follow `position`, never row ids."""

    position = models.BigIntegerField(primary_key=True)  # 1, 2, 3 … through all blocks
    row = models.OneToOneField(AuditRow, models.PROTECT, related_name="+")
    block = models.ForeignKey(Block, models.PROTECT, related_name="+", db_index=False)
    leaf = models.BinaryField(max_length=32)

    class Meta:
        db_table = "ledger_sealed_row"
        constraints = [
            models.CheckConstraint(name="sealed_row_is_numbered", condition=Q(position__gt=0)),
        ]
        indexes = [models.Index(name="sealed_row_by_block", fields=["block", "position"])]

    def __str__(self) -> str:
        return f"{self.position}"


class WaitingRow(models.Model):
    """待封存: the id of an audit row without a place in the chain. A trigger writes it, the sealer
    deletes it. No foreign key: checking one would write to every new audit row once more.
    """

    row_id = models.BigIntegerField(primary_key=True)

    class Meta:
        db_table = "ledger_waiting_row"

    def __str__(self) -> str:
        return f"{self.row_id}"


class Reader(models.Model):
    """读者: how far one reader of the sealed book has come. Nothing at or before `position` is left."""

    name = models.CharField(primary_key=True, max_length=40)
    position = models.BigIntegerField(default=0)

    class Meta:
        db_table = "ledger_reader"
        constraints = [
            models.CheckConstraint(name="reader_goes_on", condition=Q(position__gte=0)),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.position}"


class Notification(models.Model):
    """通知: what one sealed row means to one recipient. Written together with the reader's position,
    and once per row and recipient; afterwards only `read_at` is set.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    reader = models.ForeignKey(Reader, models.PROTECT, related_name="+", db_index=False)
    position = models.BigIntegerField()  # of the sealed row
    person = models.UUIDField()
    organisation = models.UUIDField()  # for which, and in which role, the person is told
    role = models.CharField(max_length=40)
    kind = models.CharField(max_length=40)  # such as "case.returned"
    subject = models.CharField(max_length=80)  # a Ref: where to look
    number = models.CharField(max_length=60, blank=True)  # what people call that thing
    title = models.CharField(max_length=60)
    words = models.CharField(max_length=600, blank=True)
    occurred_at = models.DateTimeField()  # when the audit row was written
    delivered_at = models.DateTimeField()  # when the reader came to it
    read_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "ledger_notification"
        constraints = [
            models.UniqueConstraint(
                name="notification_once",
                fields=["reader", "person", "organisation", "role", "position"],
            ),
            models.CheckConstraint(
                name="notification_says_what", condition=~Q(title="") & ~Q(subject="")
            ),
        ]
        indexes = [
            models.Index(
                name="notification_unread",
                fields=["person", "organisation", "role"],
                condition=Q(read_at=None),
            )
        ]

    def __str__(self) -> str:
        return f"{self.position} {self.title}"
