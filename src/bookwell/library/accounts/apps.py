"""Django's registration of this context."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """The app `accounts`."""

    name = "bookwell.library.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Teach the transaction runner what this context's constraints mean."""
        from bookwell.library.accounts.constraints import map_constraints  # noqa: PLC0415 -- models come first

        map_constraints()
