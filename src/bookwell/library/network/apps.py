"""Django's registration of this context."""

from django.apps import AppConfig


class NetworkConfig(AppConfig):
    """The app `network`."""

    name = "bookwell.library.network"
    label = "network"
    default_auto_field = "django.db.models.BigAutoField"
