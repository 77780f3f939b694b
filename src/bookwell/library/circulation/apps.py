"""Django's registration of this context."""

from django.apps import AppConfig


class CirculationConfig(AppConfig):
    """The app `circulation`."""

    name = "bookwell.library.circulation"
    label = "circulation"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Teach the transaction runner what circulation's constraints mean."""
        from bookwell.library.circulation.constraints import map_constraints  # noqa: PLC0415 -- models come first

        map_constraints()
