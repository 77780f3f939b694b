"""The page of every setting, generated from the code: `python -m bookwell.cli.settings_reference [FILE]` writes it."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from bookwell.cli.composition import BackgroundSettings
from bookwell.cli.embedded import EmbeddedSettings
from bookwell.kit.settings import CommonSettings
from bookwell.library.config.environment import LibrarySettings
from bookwell.notifier.settings import NotifierSettings
from bookwell.partners.settings import PartnersSettings
from bookwell.simulators.back_office.settings import BackOfficeSettings
from bookwell.simulators.running import SimulatorsSettings
from bookwell.tables.settings import TablesSettings

__all__ = ["ELSEWHERE", "SETTINGS", "settings_reference", "variables"]

SETTINGS: Mapping[str, type[BaseSettings]] = MappingProxyType(
    {
        "every service": CommonSettings,
        "library": LibrarySettings,
        "partners": PartnersSettings,
        "tables": TablesSettings,
        "notifier": NotifierSettings,
        "relay, workers, scheduler": BackgroundSettings,
        "bookwell up": EmbeddedSettings,
        "simulators": SimulatorsSettings,
        "simulated back office": BackOfficeSettings,
    }
)
"""Who reads which settings."""

ELSEWHERE: Mapping[str, Mapping[str, tuple[str, str, str]]] = MappingProxyType(
    {
        "commands": {
            "BOOKWELL_ADMIN_PASSWORD": (
                "text, *secret*",
                "",
                "Of who is made by `bookwell create-admin`; else it asks",
            ),
            "BOOKWELL_USER_PASSWORD": (
                "text, *secret*",
                "",
                "Of whom `bookwell tables create-user` and `set-password` are about; else they ask",
            ),
        },
        "simulated partners": {
            "BOOKWELL_SIMULATORS_PASSWORD": (
                "text",
                "simulated",
                "The password at the simulated libraries, by the variable that the demo's partners file names",
            ),
        },
        "compose": {
            "BOOKWELL_ADDRESS": ("text", "127.0.0.1", "The address of the host on which servers are published"),
        },
        "the door for Python 2.7": {
            "BOOKWELL_PARTNERS_URL": ("text", "http://127.0.0.1:5013", "Where the partners service answers"),
            "BOOKWELL_PARTNERS_CA": ("path", "", "Certificates to trust for https; without it those of `certifi`"),
            "BOOKWELL_DOOR_TIMEOUT_MS": ("whole number", "15000", "For an answer of the partners service"),
            "BOOKWELL_MAX_BODY_BYTES": ("whole number", "1048576", "Longer requests are refused"),
            "BOOKWELL_PYTHON27": ("path", "", "The interpreter of the door's tests; else they look for one"),
        },
    }
)
"""What is no setting of a class, by who reads it: values, default, and what it is for."""

_HEAD = """# Settings

Generated from the code by `python -m bookwell.cli.settings_reference`; a test keeps it in step.

Settings come from the environment; an empty variable is as if it were not set. With `_FILE` behind its name a variable
names a file that holds the value instead: `BOOKWELL_SECRET_KEY_FILE=/run/secrets/key`. A wrong value stops the start
with a line that names the variable.
Variables marked *secret* are never shown in logs or errors.
"""


def variables() -> Mapping[str, tuple[FieldInfo, Sequence[str]]]:
    """Every variable with its field, and who reads it; where several read one, it is the same setting."""
    found: dict[str, tuple[FieldInfo, list[str]]] = {}
    for reader, settings in SETTINGS.items():
        prefix = settings.model_config.get("env_prefix", "")
        inherited = CommonSettings.model_fields if settings is not CommonSettings else {}
        for name, field in settings.model_fields.items():
            if name not in inherited or not issubclass(settings, CommonSettings):
                found.setdefault(f"{prefix}{name}".upper(), (field, []))[1].append(reader)
    return found


def settings_reference() -> str:
    """The page, as Markdown: what every service reads, then what each reads besides."""
    return "".join((_HEAD, *(_section(reader) for reader in SETTINGS), *(_elsewhere(reader) for reader in ELSEWHERE)))


def _section(reader: str) -> str:
    own = {name: field for name, (field, readers) in sorted(variables().items()) if readers[0] == reader}
    if not own:
        return ""
    rows = "".join(_row(name, field) for name, field in own.items())
    return f"{_table(reader)}{rows}"


def _elsewhere(reader: str) -> str:
    rows = "".join(
        f"| `{name}` | {kind} | {f'`{default}`' if default and ' ' not in default else default or '—'} | {words}. |\n"
        for name, (kind, default, words) in ELSEWHERE[reader].items()
    )
    return f"{_table(reader)}{rows}"


def _table(reader: str) -> str:
    return f"\n## {reader[0].upper()}{reader[1:]}\n\n| variable | value | default | |\n|---|---|---|---|\n"


def _row(name: str, field: FieldInfo) -> str:
    also = [each for each in variables()[name][1][1:] if each != "bookwell up"]
    remark = f" Also: {', '.join(also)}." if also else ""
    cells = (
        f"`{name}`",
        _kind(field),
        _default(field),
        f"{(field.description or '').removesuffix('.')}.{remark}".replace("|", "\\|"),
    )
    return f"| {' | '.join(cells)} |\n"


def _kind(field: FieldInfo) -> str:
    if _is_secret(field):
        return "text, *secret*"
    words = " or ".join(_names(field.annotation))
    bounds = [
        f"{sign} {getattr(each, name):.12g}" for each in field.metadata for name, sign in _BOUNDS if _has(each, name)
    ]
    return f"{words} {', '.join(bounds)}".strip()


_BOUNDS = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))


def _has(constraint: Any, name: str) -> bool:
    return getattr(constraint, name, None) is not None


def _names(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from (f"`{each}`" for each in get_args(annotation))
    elif get_origin(annotation) in {Union, UnionType}:
        for each in get_args(annotation):
            yield from _names(each)
    elif annotation is not NoneType:
        yield {int: "whole number", float: "number", bool: "`true` or `false`", Path: "path"}.get(annotation, "text")


def _default(field: FieldInfo) -> str:
    if field.default in {None, "", PydanticUndefined} or _is_secret(field):
        return "—"
    shown = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
    return f"`{shown}`"


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr


def _main() -> None:
    file = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/settings.md")
    file.write_text(settings_reference(), encoding="utf-8")


if __name__ == "__main__":
    _main()
