"""Settings from the environment, frozen, with boot errors that name the variable."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NoReturn, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["CommonSettings", "InvalidSettings"]


_CENTURY = 100 * 365.25 * 86_400


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
    clock_offset: float = Field(default=0, ge=-_CENTURY, le=_CENTURY, allow_inf_nan=False)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    idempotency_hours: int = Field(default=24, ge=1)
    outbox_days: int = Field(default=30, ge=1, description="How long messages are kept after they were told")
    rate_limit_per_minute: int = Field(default=600, ge=0)
    max_body_bytes: int = Field(default=1_048_576, ge=1024)
    trusted_proxies: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _check_production(self) -> Self:
        """Refuse in production what only a demo may have, and to make up secrets that all processes must share."""
        if self.mode == "production":
            problems = [*self._missing_in_production(), *self._forbidden_in_production()]
            if problems:
                raise ValueError("\n".join(problems))
        return self

    def _missing_in_production(self) -> Iterator[str]:
        if not self.secret_key.get_secret_value():
            yield "BOOKWELL_SECRET_KEY: needed in production, the same for all processes; openssl rand -base64 48"

    def _forbidden_in_production(self) -> Iterator[str]:
        if self.clock_offset:
            yield "BOOKWELL_CLOCK_OFFSET: for demos, not for production"
        if self.demo_password.get_secret_value():
            yield "BOOKWELL_DEMO_PASSWORD: for demos, not for production"

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
    lines = [_line(item["loc"], item["msg"].removeprefix("Value error, ")) for item in error.errors()]
    raise InvalidSettings("\n".join(lines)) from None


def _line(place: tuple[int | str, ...], message: str) -> str:
    """A field's message behind its variable; one about several fields names them itself."""
    return f"BOOKWELL_{str(place[0]).upper()}: {message}" if place else message
