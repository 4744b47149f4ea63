"""Django needs to know the room's name."""

from django.apps import AppConfig


class RegistryConfig(AppConfig):
    """The room registry."""

    name = "jinsuan.registry"
    default_auto_field = "django.db.models.BigAutoField"
