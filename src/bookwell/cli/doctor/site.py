"""What the settings name, as far as they can be read."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from bookwell.cli.doctor.findings import Check, Finding, failed, fine, warning
from bookwell.cli.service_settings import SERVICES, settings_of
from bookwell.cli.unread_variables import unread_variables
from bookwell.kit.settings import CommonSettings

__all__ = ["Site", "read_site", "settings_checks"]

_LEAST_TO_HIDE = 4
_VARIABLES = "variables"


@dataclass(frozen=True, slots=True)
class Site:
    """The settings of every service in use, and what is wrong with them, by service."""

    settings: Mapping[str, CommonSettings]
    problems: Mapping[str, Sequence[str]]

    @property
    def common(self) -> CommonSettings:
        """What every service reads."""
        return self.settings["background"]

    @property
    def is_production(self) -> bool:
        """Whether what only a demo may have is a failure."""
        return self.common.mode == "production"

    def redact(self, text: str) -> str:
        """A text without any of the settings' secrets."""
        for secret in sorted(self._secrets(), key=len, reverse=True):
            text = text.replace(secret, "…")
        return text

    def _secrets(self) -> set[str]:
        values = [
            getattr(settings, name) for settings in self.settings.values() for name in type(settings).model_fields
        ]
        texts = [value.get_secret_value() if isinstance(value, SecretStr) else str(value) for value in values]
        whole = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
        found = {word for text in texts for word in _passwords(text)} | {
            line for text in whole for line in text.split()
        }
        return {secret for secret in found if len(secret) >= _LEAST_TO_HIDE}


def read_site() -> Site:
    """Read the environment for every service in use.

    In production a service is in use when something of its own is set; whatever runs has a background.
    """
    settings: dict[str, CommonSettings] = {}
    problems: dict[str, Sequence[str]] = {}
    for service in SERVICES:
        try:
            kind = settings_of(service)
        except ImportError:
            continue
        problems[service], read = kind.examine("server", "worker")
        if read is not None:
            settings[service] = read
    absent = _absent(settings)
    return Site(
        {name: each for name, each in settings.items() if name not in absent},
        {name: each for name, each in problems.items() if name not in absent},
    )


def settings_checks(site: Site) -> Mapping[str, Check]:
    """A check for the settings of each service, and one for variables that are none of them."""
    checks = {f"settings of {name}": _check_of(name, site) for name in site.problems}
    return checks | {_VARIABLES: partial(_unread, site.common.data_dir)}


def _check_of(name: str, site: Site) -> Check:
    def check() -> Iterator[Finding]:
        place = f"settings of {name}"
        lines = site.problems[name]
        for line in lines:
            yield failed(place, line, "set it right; docs/settings.md tells what each is for")
        settings = site.settings.get(name)
        if settings is None:
            return
        if not site.is_production:
            for line in (*settings.weak_secrets(), *settings.crowded_databases()):
                yield warning(place, line, "no production would start like this")
        if not lines:
            yield fine(place, f"can be read; mode {settings.mode}")

    return check


def _unread(folder: Path) -> Iterator[Finding]:
    lines = unread_variables(os.environ, folder)
    for line in lines:
        yield warning(_VARIABLES, line, "docs/settings.md lists every variable")
    if not lines:
        yield fine(_VARIABLES, "somebody reads each")


def _absent(settings: Mapping[str, CommonSettings]) -> set[str]:
    if settings["background"].mode != "production":
        return set()
    signs = {
        "library": ("library_database_url",),
        "tables": ("tables_database_url", "tables_url"),
        "notifier": ("notifier_database_url", "smtp_url"),
        "partners": ("partners_config",),
    }
    read = {name: each for name, each in settings.items() if name in signs}
    return {name for name, each in read.items() if not any(_is_set(each, sign) for sign in signs[name])}


def _is_set(settings: CommonSettings, name: str) -> bool:
    value = getattr(settings, name)
    return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _passwords(text: str) -> Iterator[str]:
    """The password of a URL, as it stands there and as it is meant."""
    if "://" not in text:
        return
    try:
        password = urlsplit(text).password
    except ValueError:
        return
    if password:
        yield from (password, unquote(password))
