"""Tables and constraints, by noun. Triggers refuse what these cannot (migration 0002)."""

from jinsuan.casework.models.cases import Case, CaseCounter, CaseMove, Decision, Hand, Recusal
from jinsuan.casework.models.evidence import Attachment, ClaimedDocument, Finding, OtherFund
from jinsuan.casework.models.notices import CalendarDay, Notice, Objection
from jinsuan.casework.models.payees import PayeeAccount
from jinsuan.casework.models.payments import PaymentBatch, PaymentLine

__all__ = [
    "Attachment",
    "CalendarDay",
    "Case",
    "CaseCounter",
    "CaseMove",
    "ClaimedDocument",
    "Decision",
    "Finding",
    "Hand",
    "Notice",
    "Objection",
    "OtherFund",
    "PayeeAccount",
    "PaymentBatch",
    "PaymentLine",
    "Recusal",
]
