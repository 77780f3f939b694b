"""partners.toml: which libraries there are, and how to talk to each. A wrong entry stops the start and is named.

    [partners."library 2"]
    protocol = "daia"                   # a folder of bookwell.partners.adapters
    url = "https://library2.example/daia"
    insecure = false                    # true allows http beyond this machine
    calls_at_once = 8                   # at most so many calls in flight, of each process, and as many about holds
    failures_until_open = 5             # so many failures in a row open its circuit breaker
    open_seconds = 10                   # for so long at first, doubled at every failed try

The other keys are the protocol's. A key that ends in `_env` names an environment variable that holds the value.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from bookwell.kit.production import is_loopback
from bookwell.kit.settings import InvalidSettings
from bookwell.partners.adapters.protocol import AdapterKind, AdapterOptions
from bookwell.partners.adapters.registry import adapter_kind

__all__ = ["PartnerEntry", "PartnerRules", "parse_configuration", "read_configuration"]

_LONGEST_NAME = 64  # what the library keeps of one
_ENV = "_env"
_Model = TypeVar("_Model", bound=BaseModel)


class PartnerRules(BaseModel):
    """What an entry says whatever its protocol; `extra` collects the protocol's keys."""

    model_config = ConfigDict(frozen=True, extra="allow")

    protocol: str
    insecure: bool = Field(default=False, strict=True)
    calls_at_once: int = Field(default=8, ge=1, le=1000)
    failures_until_open: int = Field(default=5, ge=1, le=1000)
    open_seconds: float = Field(default=10, gt=0, le=3600)


@dataclass(frozen=True, slots=True)
class PartnerEntry:
    """One partner, checked: `options` is what its adapter is built with."""

    name: str
    rules: PartnerRules
    kind: AdapterKind
    options: AdapterOptions


def read_configuration(path: Path | None, *, environ: Mapping[str, str], default: str) -> tuple[PartnerEntry, ...]:
    """The partners of the file, or of the text `default` when there is no path.

    Raises:
        InvalidSettings: with one line for each wrong key.
    """
    if path is None:
        return parse_configuration(default, environ=environ, source="the built-in configuration")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"BOOKWELL_PARTNERS_CONFIG: {path} cannot be read: {error}") from error
    return parse_configuration(text, environ=environ, source=str(path))


def parse_configuration(text: str, *, environ: Mapping[str, str], source: str) -> tuple[PartnerEntry, ...]:
    """The partners of a TOML text, in its order; `environ` has the secrets.

    Raises:
        InvalidSettings: with one line for each wrong key, which names the entry.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidSettings(f"{source}: is no TOML: {error}") from error
    tables = document.pop("partners", {})
    problems = [f"{source}: {key}: unknown" for key in document]
    entries = []
    if not isinstance(tables, dict):
        problems.append(f"{source}: partners: is no table")
        tables = {}
    for name, table in tables.items():
        try:
            entries.append(_entry(name, table, environ))
        except _Wrong as wrong:
            problems += [f'{source}: partners."{name}"{line}' for line in wrong.lines]
    if problems:
        raise InvalidSettings("\n".join(problems))
    return tuple(entries)


class _Wrong(Exception):
    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__(lines)
        self.lines = lines


def _entry(name: str, table: object, environ: Mapping[str, str]) -> PartnerEntry:
    if not name.strip(" .") or len(name) > _LONGEST_NAME or not name.isprintable() or "/" in name:
        raise _Wrong([f": is no name: 1 to {_LONGEST_NAME} printable characters without a slash, not dots alone"])
    if not isinstance(table, dict):
        raise _Wrong([": is no table"])
    rules = _checked(PartnerRules, table)
    try:
        kind = adapter_kind(rules.protocol)
    except LookupError as error:
        raise _Wrong([f".protocol: {error.args[0]}"]) from error
    own_keys = rules.model_extra or {}
    if written := [key for key in own_keys if key in _secrets(kind)]:
        raise _Wrong(
            [f".{key}: is a secret; {key}{_ENV} names the environment variable that holds it" for key in written]
        )
    options = _checked(kind.options, _with_secrets(own_keys, environ))
    insecure = [] if rules.insecure else list(_insecure(options.addresses()))
    if insecure:
        raise _Wrong([f".{_key_of(options, url)}: {url} is not https; insecure = true allows it" for url in insecure])
    return PartnerEntry(name, rules, kind, options)


def _checked(model: type[_Model], table: Mapping[str, Any]) -> _Model:
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise _Wrong([_line(item["loc"], item["msg"]) for item in error.errors()]) from None


def _line(place: tuple[int | str, ...], message: str) -> str:
    key = "".join(f".{step}" for step in place)
    return f"{key}: {message.removeprefix('Value error, ')}"


def _secrets(kind: AdapterKind) -> frozenset[str]:
    """The protocol's keys that no file should hold."""
    fields = kind.options.model_fields.items()
    return frozenset(key for key, field in fields if SecretStr in (field.annotation, *get_args(field.annotation)))


def _with_secrets(table: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The table with the value of the variable in place of each key that names one."""
    resolved: dict[str, Any] = {}
    missing = []
    for key, value in table.items():
        if not key.endswith(_ENV):
            resolved[key] = value
        elif isinstance(value, str) and environ.get(value):
            resolved[key.removesuffix(_ENV)] = environ[value]
        else:
            missing.append(f".{key}: the environment has no variable {value}")
    if missing:
        raise _Wrong(missing)
    return resolved


def _insecure(addresses: Sequence[str]) -> Iterator[str]:
    for address in addresses:
        parts = urlsplit(address)
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            yield address


def _key_of(options: AdapterOptions, address: str) -> str:
    """The key that holds an address, for the message."""
    return next((key for key, value in options.model_dump().items() if value == address), "url")
