"""Django's registration of this context."""

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    """The app `catalog`."""

    name = "bookwell.library.catalog"
    label = "catalog"
    default_auto_field = "django.db.models.BigAutoField"
