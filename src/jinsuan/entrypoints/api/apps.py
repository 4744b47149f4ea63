"""Names this folder to Django, for the one table that it keeps."""

from __future__ import annotations

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """接口."""

    name = "jinsuan.entrypoints.api"
    label = "api"
    default_auto_field = "django.db.models.BigAutoField"
