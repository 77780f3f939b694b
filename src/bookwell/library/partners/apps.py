"""Django's registration of this context."""

from django.apps import AppConfig


class PartnersConfig(AppConfig):
    """The app `partners`."""

    name = "bookwell.library.partners"
    label = "partners"
    default_auto_field = "django.db.models.BigAutoField"
