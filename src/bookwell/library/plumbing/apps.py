"""Django's registration of this context."""

from django.apps import AppConfig


class PlumbingConfig(AppConfig):
    """The app `plumbing`."""

    name = "bookwell.library.plumbing"
    label = "plumbing"
    default_auto_field = "django.db.models.BigAutoField"
