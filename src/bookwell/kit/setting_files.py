"""Settings whose value stands in a file: `BOOKWELL_SECRET_KEY_FILE=/run/secrets/key` instead of `BOOKWELL_SECRET_KEY`.

What an environment holds shows in process lists and inspections of containers; a file's content does not.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

__all__ = ["SettingFileUnusable", "SettingFiles"]

_SUFFIX = "_FILE"
_LONGEST = 1_000_000


class SettingFileUnusable(SystemExit):
    """Files that variables name cannot be read, or the setting stands in the environment besides; a line each."""

    def __init__(self, lines: Mapping[str, str]) -> None:
        super().__init__("\n".join(lines.values()))
        self.lines = lines
        """What is wrong, by the setting."""


class SettingFiles(PydanticBaseSettingsSource):
    """Reads the file that `BOOKWELL_<SETTING>_FILE` names, without the line's end; for every setting."""

    def __init__(self, settings_class: type[BaseSettings]) -> None:
        super().__init__(settings_class)
        self._prefix = settings_class.model_config.get("env_prefix", "")

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 -- its name
        """A setting's value, None without a file.

        Raises:
            SettingFileUnusable
        """
        variable = f"{self._prefix}{field_name}".upper()
        named = os.environ.get(variable + _SUFFIX)
        is_another_setting = f"{field_name}{_SUFFIX}".lower() in self.settings_cls.model_fields
        if not named or is_another_setting:
            return None, field_name, False
        if os.environ.get(variable):
            line = f"{variable}: stands in the environment and in {variable}{_SUFFIX}; keep one"
            raise SettingFileUnusable({field_name: line})
        return _read(field_name, Path(named), variable + _SUFFIX), field_name, False

    def __call__(self) -> dict[str, Any]:
        """All settings that have a file, but for those that are given as arguments.

        Raises:
            SettingFileUnusable: with everything that is wrong.
        """
        given = self.settings_sources_data.get("InitSettingsSource", {})
        values: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for name, field in self.settings_cls.model_fields.items():
            try:
                value = None if name in given else self.get_field_value(field, name)[0]
            except SettingFileUnusable as error:
                problems |= error.lines
            else:
                values |= {} if value is None else {name: value}
        if problems:
            raise SettingFileUnusable(problems)
        return values


def _read(name: str, file: Path, variable: str) -> str:
    try:
        with file.open(encoding="utf-8") as stream:
            return stream.read(_LONGEST).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        line = f"{variable}: {file} cannot be read ({type(error).__name__})"
        raise SettingFileUnusable({name: line}) from None
