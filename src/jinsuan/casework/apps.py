"""Django needs to know the room's name."""

from django.apps import AppConfig


class CaseworkConfig(AppConfig):
    """The room casework."""

    name = "jinsuan.casework"
    default_auto_field = "django.db.models.BigAutoField"
