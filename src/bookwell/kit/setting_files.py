"""Settings whose value stands in a file: `BOOKWELL_SECRET_KEY_FILE=/run/secrets/key` instead of `BOOKWELL_SECRET_KEY`.

What an environment holds shows in process lists and inspections of containers; a file's content does not.
"""

import os
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

__all__ = ["SettingFileUnusable", "SettingFiles"]

_SUFFIX = "_FILE"
_LONGEST = 1_000_000


class SettingFileUnusable(SystemExit):
    """A file that a variable names cannot be read, or the setting stands in the environment besides."""


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
            raise SettingFileUnusable(f"{variable}: stands in the environment and in {variable}{_SUFFIX}; keep one")
        return _read(Path(named), variable + _SUFFIX), field_name, False

    def __call__(self) -> dict[str, Any]:
        """All settings that have a file."""
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


def _read(file: Path, variable: str) -> str:
    try:
        with file.open(encoding="utf-8") as stream:
            return stream.read(_LONGEST).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingFileUnusable(f"{variable}: {file} cannot be read ({type(error).__name__})") from None
