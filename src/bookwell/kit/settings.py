"""Settings from the environment, frozen, with boot errors that name the variable."""

from pathlib import Path
from typing import Literal, NoReturn, Self

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["CommonSettings", "InvalidSettings"]


class InvalidSettings(SystemExit):
    """The environment holds a value that the service cannot start with."""


class CommonSettings(BaseSettings):
    """What every service reads. A variable is the field's name in capitals behind `BOOKWELL_`."""

    model_config = SettingsConfigDict(env_prefix="BOOKWELL_", frozen=True, extra="ignore")

    mode: Literal["embedded", "production"] = "embedded"
    data_dir: Path = Path(".bookwell")
    redis_url: str = ""
    secret_key: SecretStr = SecretStr("")
    demo_password: SecretStr = SecretStr("")
    clock_offset: float = 0
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    idempotency_hours: int = Field(default=24, ge=1)
    rate_limit_per_minute: int = Field(default=600, ge=0)
    max_body_bytes: int = Field(default=1_048_576, ge=1024)
    trusted_proxies: int = Field(default=0, ge=0)

    @classmethod
    def load(cls) -> Self:
        """Read the environment.

        Raises:
            InvalidSettings: with one line for each wrong variable.
        """
        try:
            return cls()
        except ValidationError as error:
            _refuse(error)


def _refuse(error: ValidationError) -> NoReturn:
    lines = [f"BOOKWELL_{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors() if item["loc"]]
    raise InvalidSettings("\n".join(lines) or str(error)) from None
