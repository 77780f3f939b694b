"""Settings from the environment, frozen, with boot errors that name the variable."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bookwell.kit.issuers import NamedIssuer, beside, parse_issuers
from bookwell.kit.key_ring import load_or_create_secret
from bookwell.kit.production import insecure_url, weak_password, weak_secret
from bookwell.kit.setting_files import SettingFiles, SettingFileUnusable
from bookwell.kit.setting_urls import PlainDatabaseUrl, RedisUrl, WebUrl, url_of_file

__all__ = ["CommonSettings", "InvalidSettings", "Role"]


_Settings = TypeVar("_Settings", bound="CommonSettings")

Role = Literal["server", "worker"]
"""What a process is to its service, where one of them needs more than whoever reads the settings."""

_MAKE_ONE = "openssl rand -base64 48"
_READINGS = 3
"""As often as something can be wrong in another way: files, then single values, then all together."""
_DATABASE_SECONDS = 20.0
"""So long a database may take for its answer until it counts as down."""
_STOP_MARGIN_SECONDS = 5.0
_CENTURY = 100 * 365.25 * 86_400


class InvalidSettings(SystemExit):
    """The environment holds a value that the service cannot start with."""


class CommonSettings(BaseSettings):
    """What every service reads. A variable is the field's name in capitals behind `BOOKWELL_`.

    With `_FILE` behind its name a variable says in which file the value stands. An empty one is as if it were not set.
    """

    model_config = SettingsConfigDict(env_prefix="BOOKWELL_", env_ignore_empty=True, frozen=True, extra="ignore")

    mode: Literal["embedded", "production"] = Field(
        default="embedded", description="`production` refuses what only a demo may have"
    )
    data_dir: Path = Field(default=Path(".bookwell"), description="Embedded databases, keys, mails and logs lie here")
    redis_url: RedisUrl = Field(
        default="",
        description="Caches and rate limits, as in redis://:password@redis:6379/0; without it databases keep them",
    )
    secret_key: SecretStr = Field(
        default=SecretStr(""), description="Signs what is for this installation alone; the same for all processes"
    )
    demo_password: SecretStr = Field(
        default=SecretStr(""), description="Of every demo user; empty: made up and printed"
    )
    clock_offset: float = Field(
        default=0,
        ge=-_CENTURY,
        le=_CENTURY,
        allow_inf_nan=False,
        description="Seconds by which a demo lives ahead, for trying deadlines",
    )
    library_database_url: PlainDatabaseUrl = Field(
        default="", description="The library's, as in mysql://user:password@host/name; empty: a file of the data folder"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The least that is written to standard output"
    )
    log_database_url: PlainDatabaseUrl = Field(
        default="", description="Where log records are kept, besides standard output"
    )
    log_database_level: Literal["OFF", "DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The least that is kept in the log table"
    )
    log_days: int = Field(default=30, ge=1, description="How long they are kept")
    idempotency_hours: int = Field(default=24, ge=1, description="How long the answer to an Idempotency-Key is kept")
    outbox_days: int = Field(default=30, ge=1, description="How long messages are kept after they were told")
    rate_limit_per_minute: int = Field(default=600, ge=0, description="Requests of one address or caller; 0: no limit")
    max_body_bytes: int = Field(default=1_048_576, ge=1024, description="Longer requests are refused")
    trusted_proxies: int = Field(default=0, ge=0, description="How many proxies may say where a request comes from")
    library_url: WebUrl = Field(default="", description="Where the library answers; empty: its port on loopback")
    library_port: int = Field(default=8013, ge=1, le=65535, description="Where the library listens")
    library_issuer: WebUrl = Field(default="", description="The issuer in the library's tokens; default: its URL")
    token_audience: str = Field(default="bookwell", min_length=1, description="Whom access tokens must be for")
    issuers: str = Field(default="", description="Whose tokens are taken besides; see `kit.issuers`")
    workers: int = Field(default=1, ge=1, description="Processes of a server; on SQLite one")
    drain_seconds: float = Field(
        default=0,
        ge=0,
        le=300,
        description="Told to stop, a server says so long at /health/ready that it stops, and goes on answering",
    )
    stop_seconds: float = Field(
        default=0,
        ge=0,
        le=120,
        description="Then it waits so long for the requests that it has begun; 0: as long as its requests may take",
    )

    @field_validator("issuers")
    @classmethod
    def _check_issuers(cls, issuers: str) -> str:
        parse_issuers(issuers)
        return issuers

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        """Refuse what contradicts itself; in production what only a demo may have, and missing or weak secrets."""
        if problems := self._problems():
            raise ValueError("\n".join(problems))
        return self

    def _problems(self) -> list[str]:
        found = [*self._contradictions()]
        if self.mode == "production":
            found += [*self._missing_in_production(), *self._forbidden_in_production()]
        return found

    def _contradictions(self) -> Iterator[str]:
        """What is wrong in every mode and concerns more than one setting; a line each."""
        yield from ()

    def _missing_in_production(self) -> Iterator[str]:
        """What nobody who reads these settings can do without; a line each."""
        yield from ()

    def missing_for(self, role: Role) -> Iterator[str]:  # noqa: ARG002 -- of those who tell roles apart
        """What a process of this role cannot do without besides; others of its service need not see it."""
        yield from ()

    def _missing_secret(self) -> Iterator[str]:
        if not self.secret_key.get_secret_value():
            yield f"BOOKWELL_SECRET_KEY: needed in production, the same for all processes; {_MAKE_ONE}"

    def _forbidden_in_production(self) -> Iterator[str]:
        if self.clock_offset:
            yield "BOOKWELL_CLOCK_OFFSET: for demos, not for production"
        if self.demo_password.get_secret_value():
            yield "BOOKWELL_DEMO_PASSWORD: for demos, not for production"
        if "DEBUG" in {self.log_level, self.log_database_level}:
            yield "BOOKWELL_LOG_LEVEL, BOOKWELL_LOG_DATABASE_LEVEL: DEBUG is not for production; it tells personal data"
        yield from self.weak_secrets()
        yield from self._open_hosts()
        yield from self._insecure_addresses()
        yield from self.crowded_databases()

    def weak_secrets(self) -> Iterator[str]:
        """Secrets and passwords that others know, guess or overhear, a line each."""
        secret = self.secret_key.get_secret_value()
        if secret and (problem := weak_secret(secret)):
            yield f"BOOKWELL_SECRET_KEY: {problem}; {_MAKE_ONE}"
        for name in self._values(endings=("_database_url", "redis_url", "broker_url", "smtp_url")):
            if problem := weak_password(self._text(name)):
                yield f"{_variable(name)}: {problem}; choose another, there and at the server"

    def _open_hosts(self) -> Iterator[str]:
        for name in self._values(endings=("_hosts",)):
            if "*" in [host.strip() for host in self._text(name).split(",")]:
                yield f"{_variable(name)}: '*' answers to whatever name a stranger's page chooses; name yours"

    def _insecure_addresses(self) -> Iterator[str]:
        """Plain http where tokens are issued: whoever listens there can log in as anybody."""
        if problem := insecure_url(self.library_issuer):
            yield f"BOOKWELL_LIBRARY_ISSUER: {problem}"
        for each in self.named_issuers:
            keys = insecure_url(each.jwks_url or "", inside=True)
            if problem := insecure_url(each.issuer) or keys:
                yield f"BOOKWELL_ISSUERS: {each.issuer}: {problem}"

    def crowded_databases(self) -> Iterator[str]:
        """Embedded databases that several processes would serve, a line each."""
        for variable, url in self.own_databases():
            if self.workers > 1 and url.startswith("sqlite:"):
                yield f"{variable}: SQLite serves one process, not {self.workers}; name a server, or have one worker"

    def own_databases(self) -> Iterator[tuple[str, str]]:
        """The databases to which a server of this service writes, by their variables."""
        yield from ()

    def _values(self, *, endings: tuple[str, ...]) -> Iterator[str]:
        return (name for name in type(self).model_fields if name.endswith(endings))

    def _text(self, name: str) -> str:
        value = getattr(self, name)
        return value.get_secret_value() if isinstance(value, SecretStr) else str(value)

    @property
    def longest_request_seconds(self) -> float:
        """What a request may take that waits for everybody whom it asks as long as it waits for them at all."""
        return _DATABASE_SECONDS

    @property
    def seconds_to_stop(self) -> float:
        """How long a server of this service waits for the requests that it has begun, when it is told to stop."""
        return self.stop_seconds or self.longest_request_seconds + _STOP_MARGIN_SECONDS

    def shared_secret(self) -> str:
        """The secret of all services: the configured one, else that of the data folder, made when there is none."""
        return self.secret_key.get_secret_value() or load_or_create_secret(self.data_dir.absolute() / "keys" / "secret")

    @property
    def library(self) -> str:
        """Where the library service answers."""
        return self.library_url or f"http://127.0.0.1:{self.library_port}"

    @property
    def library_token_issuer(self) -> str:
        """The issuer that the library's tokens name."""
        return self.library_issuer or self.library

    @property
    def named_issuers(self) -> tuple[NamedIssuer, ...]:
        """The issuers of `BOOKWELL_ISSUERS`."""
        return parse_issuers(self.issuers)

    @property
    def issuers_with_library(self) -> tuple[NamedIssuer, ...]:
        """Whose tokens a service takes that always takes the library's, whose keys it fetches where it reaches it."""
        keys = f"{self.library}/.well-known/jwks.json"
        own = NamedIssuer(issuer=self.library_token_issuer, audience=self.token_audience, jwks_url=keys)
        return beside(self.named_issuers, [own])

    @property
    def log_database(self) -> str:
        """Where log records are kept: their own database, else the library's; nowhere when it is empty.

        Embedded, it is a file of its own, so that nobody stands in the line of the library's writers for them.
        """
        if self.log_database_url or self.mode == "production":
            return self.log_database_url or self.library_database_url
        if self.library_database_url.partition(":")[0] not in {"", "sqlite"}:
            return self.library_database_url
        return url_of_file(self.data_dir / "logs.sqlite3")

    def logging_options(self, service: str, *, writer: str) -> dict[str, Any]:
        """What `kit.logs.configure` takes; `writer` is the dotted name of what makes a `kit.log_sink.RecordWriter`."""
        is_kept = self.log_database and self.log_database_level != "OFF"
        table = {"level": self.log_database_level, "url": self.log_database, "writer": writer} if is_kept else None
        return {"level": self.log_level, "service": service, "table": table}

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *_: PydanticBaseSettingsSource, **sources: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then files that it names."""
        return sources["init_settings"], sources["env_settings"], SettingFiles(settings_cls)

    @classmethod
    def load(cls, role: Role | None = None) -> Self:
        """Read the environment, for a process of a role or for any other.

        Raises:
            InvalidSettings: with one line for each wrong variable.
        """
        problems, settings = cls.examine(role) if role else cls.examine()
        if problems or settings is None:
            raise InvalidSettings("\n".join(problems))
        return settings

    @classmethod
    def examine(cls, *roles: Role) -> tuple[list[str], Self | None]:
        """Read the environment, and say everything that is wrong with it, also for processes of some roles.

        The settings are there as far as they could be read: what could not is as if it were not set.
        """
        problems, settings = cls._read()
        if settings is not None and settings.mode == "production":
            problems += _news([line for role in roles for line in settings.missing_for(role)], problems)
        return problems, settings

    @classmethod
    def _read(cls) -> tuple[list[str], Self | None]:
        problems: list[str] = []
        defaults: dict[str, Any] = {}
        # The rules about all settings together are asked only once each of them can be read.
        for _ in range(_READINGS):
            try:
                settings = cls(**defaults)
            except SettingFileUnusable as error:
                found, unreadable = list(error.lines.values()), list(error.lines)
            except ValidationError as error:
                found, unreadable = _lines(error), _fields(error)
            else:
                return problems, settings
            problems += _news(found, problems)
            if not unreadable:
                break
            defaults |= {name: cls.model_fields[name].get_default(call_default_factory=True) for name in unreadable}
        return problems, _without_rules(cls, defaults)


def _news(found: list[str], told: list[str]) -> list[str]:
    """The lines about variables of which nothing was told."""
    named = {_named(line) for line in told}
    return [line for line in found if _named(line) not in named]


def _without_rules(cls: type[_Settings], values: dict[str, Any]) -> _Settings | None:
    """Settings that keep no rule about all of them, for those who tell what is wrong with them."""
    unchecked: type[_Settings] = type(cls.__name__, (cls,), {"_problems": lambda _: [], "__module__": cls.__module__})
    try:
        return unchecked(**values)
    except ValidationError:
        return None


def _named(line: str) -> str:
    """The variable that a line is about."""
    return line.partition(":")[0].removesuffix("_FILE")


def _variable(name: str) -> str:
    return f"BOOKWELL_{name.upper()}"


def _fields(error: ValidationError) -> list[str]:
    return [str(item["loc"][0]) for item in error.errors() if item["loc"]]


def _lines(error: ValidationError) -> list[str]:
    """A field's message behind its variable; one about several fields names them itself, a line each."""
    found = []
    for item in error.errors():
        message = item["msg"].removeprefix("Value error, ")
        found += [f"{_variable(str(item['loc'][0]))}: {message}"] if item["loc"] else message.splitlines()
    return found
