"""What the API remembers of its own: the answers that were given to keyed requests."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from jinsuan.registry.models import Organisation


class KeptAnswer(models.Model):
    """已答复的请求: one accepted request of an organisation, by its Idempotency-Key.

    Written in the transaction of what the request did, so either both stand or neither. Rows are
    never edited; after 30 days they are dropped (see `once.forget`).
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    key = models.CharField(max_length=120)
    request_sha256 = models.BinaryField(max_length=32)  # method, path, role and body
    status = models.SmallIntegerField()
    body = models.TextField()  # the answer as it was sent, JSON
    recorded_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="kept_answer_once", fields=["organisation", "key"]),
            models.CheckConstraint(
                name="kept_answer_accepted",
                condition=~Q(key="") & Q(status__gte=200) & Q(status__lt=300),
            ),
        ]

    def __str__(self) -> str:
        return self.key
