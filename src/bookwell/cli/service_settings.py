"""Which settings a service reads; each is imported when it is asked for, because it needs that service's extra."""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from bookwell.kit.settings import CommonSettings

__all__ = ["SERVICES", "seconds_to_stop", "settings_of"]

_PLACES: Mapping[str, str] = MappingProxyType(
    {
        "library": "bookwell.library.config.environment:LibrarySettings",
        "partners": "bookwell.partners.settings:PartnersSettings",
        "tables": "bookwell.tables.settings:TablesSettings",
        "notifier": "bookwell.notifier.settings:NotifierSettings",
        "background": "bookwell.cli.composition:BackgroundSettings",
    }
)
SERVICES = tuple(_PLACES)
"""All that there are; `background` is relay, workers and scheduler."""


def settings_of(service: str) -> type[CommonSettings]:
    """The class that reads a service's settings.

    Raises:
        KeyError: for no service.
        ImportError: if its extra is not installed.
    """
    module, _, name = _PLACES[service].partition(":")
    found: type[CommonSettings] = getattr(import_module(module), name)
    return found


def seconds_to_stop(service: str) -> float:
    """How long a server may take from SIGTERM to its end.

    Raises:
        InvalidSettings
        KeyError: for no service.
    """
    settings = settings_of(service).load()
    return settings.drain_seconds + settings.seconds_to_stop
