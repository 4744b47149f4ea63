"""Names this folder to Django, for the one table that it keeps."""

from __future__ import annotations

from django.apps import AppConfig


class LongWorkConfig(AppConfig):
    """长任务."""

    name = "jinsuan.entrypoints.longwork"
    label = "longwork"
    default_auto_field = "django.db.models.BigAutoField"
