"""Django needs to know the room's name."""

from django.apps import AppConfig


class DispatchConfig(AppConfig):
    """The room dispatch."""

    name = "jinsuan.dispatch"
    default_auto_field = "django.db.models.BigAutoField"
