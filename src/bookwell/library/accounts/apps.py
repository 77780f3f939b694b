"""Django's registration of this context."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """The app `accounts`."""

    name = "bookwell.library.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"
