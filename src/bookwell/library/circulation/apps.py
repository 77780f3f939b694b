"""Django's registration of this context."""

from django.apps import AppConfig


class CirculationConfig(AppConfig):
    """The app `circulation`."""

    name = "bookwell.library.circulation"
    label = "circulation"
    default_auto_field = "django.db.models.BigAutoField"
