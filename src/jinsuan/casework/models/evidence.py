"""Evidence: attachments 附件, findings 疑点, claimed documents 已用单据, other funds 其他资金."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from jinsuan.casework.models.cases import Case
from jinsuan.kernel.ids import new_id


class Attachment(models.Model):
    """附件: one file of one case, kept outside the web root under its digest. Only ever added."""

    id = models.UUIDField(primary_key=True, default=new_id)
    case = models.ForeignKey(Case, models.PROTECT, related_name="attachments")
    sha256 = models.BinaryField(max_length=32)
    size = models.BigIntegerField()
    media = models.CharField(max_length=100)  # found by looking into it
    name = models.CharField(max_length=200)  # as the sender called it; never a path
    purpose = models.CharField(max_length=60)  # 合同, 发票, 付款凭证 …
    person = models.UUIDField(null=True)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="attachment_once_per_case", fields=["case", "sha256"]),
            models.CheckConstraint(name="attachment_not_empty", condition=Q(size__gt=0)),
            models.CheckConstraint(
                name="attachment_name_is_no_path", condition=~Q(name__regex=r"[/\\]|^\.|^$")
            ),
        ]
        indexes = [models.Index(name="attachment_by_digest", fields=["sha256"])]

    def __str__(self) -> str:
        return self.name


class Finding(models.Model):
    """疑点: a difference somebody must explain. It freezes and never decides; once closed it stays."""

    class Verdict(models.TextChoices):
        """What the owner found."""

        CONFIRMED = "confirmed", "属实"
        EXPLAINED = "explained", "已说明"

    id = models.UUIDField(primary_key=True, default=new_id)
    case = models.ForeignKey(Case, models.PROTECT, related_name="findings")
    code = models.CharField(max_length=40)
    title = models.CharField(max_length=120)
    blocking = models.BooleanField()
    evidence = ArrayField(models.CharField(max_length=80))  # Refs
    detail = models.TextField(blank=True)
    owner = models.CharField(max_length=30)  # the role that has to look at it
    opened_by = models.UUIDField(null=True)
    opened_at = models.DateTimeField()
    verdict = models.CharField(max_length=20, choices=Verdict.choices, null=True)
    reason = models.TextField(blank=True, default="")
    closed_by = models.UUIDField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="finding_closed_by_name_and_reason",
                condition=Q(
                    verdict__isnull=True, closed_by__isnull=True, closed_at__isnull=True, reason=""
                )
                | (
                    Q(verdict__in=["confirmed", "explained"])
                    & Q(closed_by__isnull=False, closed_at__isnull=False)
                    & ~Q(reason="")
                ),
            ),
        ]
        indexes = [
            models.Index(name="finding_open", fields=["case"], condition=Q(closed_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return self.title


class ClaimedDocument(models.Model):
    """已用单据: an invoice, a contract, a machine. In use once across ALL programmes, because the
    law pays for a thing once; free again only when its case ended without money.
    """

    class Kind(models.TextChoices):
        """What is claimed."""

        INVOICE = "invoice", "发票号码"
        CONTRACT = "contract", "合同"
        SERIAL = "serial", "设备序列号"

    kind = models.CharField(max_length=20, choices=Kind.choices)
    key = models.CharField(max_length=80)  # see documents.py: one spelling per document
    shown = models.CharField(max_length=80)
    case = models.ForeignKey(Case, models.PROTECT, related_name="documents")
    recorded_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="claimed_document_once",
                fields=["kind", "key"],
                condition=Q(released_at__isnull=True),
            ),
            models.CheckConstraint(
                name="claimed_document_form",
                condition=Q(kind="invoice", key__regex=r"^[0-9]{20}$")
                | Q(kind="contract", key__regex=r"^[0-9a-f]{64}$")
                | (Q(kind="serial") & ~Q(key="")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}:{self.key}"


class OtherFund(models.Model):
    """其他资金: support from elsewhere, as declared or as found. Only ever added."""

    class Source(models.TextChoices):
        """Who said so."""

        DECLARED = "declared", "申报主体申报"
        FOUND = "found", "核查发现"

    class Tier(models.TextChoices):
        """Whose money it is; only provincial money bars ours."""

        NATIONAL = "national", "国家"
        PROVINCIAL = "provincial", "省级"
        CITY = "city", "市县"

    id = models.UUIDField(primary_key=True, default=new_id)
    case = models.ForeignKey(Case, models.PROTECT, related_name="other_funds")
    source = models.CharField(max_length=20, choices=Source.choices)
    tier = models.CharField(max_length=20, choices=Tier.choices)
    fund = models.CharField(max_length=120)
    document = models.CharField(max_length=120)
    amount_fen = models.BigIntegerField()
    same_content = models.BooleanField()
    person = models.UUIDField(null=True)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="other_fund_positive", condition=Q(amount_fen__gt=0)),
        ]

    def __str__(self) -> str:
        return self.fund
