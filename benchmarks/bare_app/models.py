"""Two tables, made by `benchmarks.bare.TABLES`."""

from __future__ import annotations

from django.db import models


class Token(models.Model):
    sha256 = models.BinaryField(unique=True)
    owner = models.UUIDField()

    class Meta:
        managed = False
        db_table = "bare_token"


class Thing(models.Model):
    id = models.UUIDField(primary_key=True)
    owner = models.UUIDField()
    name = models.TextField()
    state = models.TextField()
    amount = models.DecimalField(max_digits=18, decimal_places=2)
    made_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "bare_thing"
