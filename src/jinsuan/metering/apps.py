"""Django needs to know the room's name."""

from django.apps import AppConfig


class MeteringConfig(AppConfig):
    """The room metering."""

    name = "jinsuan.metering"
    default_auto_field = "django.db.models.BigAutoField"
