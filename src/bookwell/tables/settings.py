"""The tables service's settings from the environment; the restaurant's own rules are in its database."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from bookwell.kit.key_ring import check_signing_keys
from bookwell.kit.production import insecure_url, weak_keys
from bookwell.kit.setting_urls import DatabaseUrl, WebUrl, url_of_file
from bookwell.kit.settings import CommonSettings, Role
from bookwell.kit.webhooks import WebhookSecret

__all__ = ["TablesSettings"]


_HANDING_ON_SECONDS = 6.0


class TablesSettings(CommonSettings):
    """`BOOKWELL_TABLES_*` and what every service reads."""

    tables_database_url: DatabaseUrl = Field(
        default="", description="The tables service's (PostgreSQL); empty: a file of the data folder"
    )
    tables_port: int = Field(default=9000, ge=1, le=65535, description="Where the tables service listens")
    tables_hosts: str = Field(
        default="localhost,127.0.0.1,[::1]", description="Names by which it may be asked, with commas"
    )
    tables_threads: int = Field(default=8, ge=1, description="Operations that run at once in a process")
    tables_url: WebUrl = Field(default="", description="Where guests reach the service; stands in their mails")
    tables_local_accounts: bool = Field(default=True, description="Off: only tokens of BOOKWELL_ISSUERS count")
    tables_signing_keys: SecretStr = Field(
        default=SecretStr(""), description="PEM blocks of RSA keys; the first signs. Empty: keys of the data folder."
    )
    access_token_seconds: int = Field(default=300, ge=1, description="Life of an access token")
    refresh_token_days: int = Field(default=30, ge=1, description="Life of a session that is not used")
    login_failures_per_account: int = Field(default=5, ge=1, description="Within five minutes; then locked out")
    login_failures_per_address: int = Field(default=20, ge=1, description="Within one minute; then locked out")
    tables_backoffice: str = Field(default="", max_length=64, description="The webhook endpoint told of every booking")
    tables_decision_secrets: SecretStr = Field(
        default=SecretStr(""), description="What signs the back office's decisions: whsec_…, or two with a comma"
    )
    tables_demo: bool = Field(
        default=False, description="The loopback may have any number of open orders, of any length"
    )

    @field_validator("tables_signing_keys")
    @classmethod
    def _check_signing_keys(cls, keys: SecretStr) -> SecretStr:
        check_signing_keys(keys.get_secret_value())
        return keys

    @field_validator("tables_local_accounts")
    @classmethod
    def _check_somebody_is_trusted(cls, is_on: bool, info: ValidationInfo) -> bool:
        if not is_on and not info.data.get("issuers"):
            raise ValueError("off, while BOOKWELL_ISSUERS names nobody else: then nobody could work here")
        return is_on

    def _contradictions(self) -> Iterator[str]:
        yield from super()._contradictions()
        try:
            self.decision_secrets()
        except ValueError as error:
            yield f"BOOKWELL_TABLES_DECISION_SECRETS: {error}"

    def _missing_in_production(self) -> Iterator[str]:
        yield from super()._missing_in_production()
        if not self.tables_database_url:
            yield "BOOKWELL_TABLES_DATABASE_URL: needed in production"
        if not self.tables_url:
            yield "BOOKWELL_TABLES_URL: needed in production, as in https://tables.example.org"

    def missing_for(self, role: Role) -> Iterator[str]:
        """Who logs people in: the server, and nobody else."""
        yield from super().missing_for(role)
        if role != "server":
            return
        yield from self._missing_secret()
        if self.tables_local_accounts and not self.tables_signing_keys.get_secret_value().strip():
            make = "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048"
            yield f"BOOKWELL_TABLES_SIGNING_KEYS: needed in production, the same for all processes; {make}"

    def _forbidden_in_production(self) -> Iterator[str]:
        yield from super()._forbidden_in_production()
        if self.tables_demo:
            yield "BOOKWELL_TABLES_DEMO: for demos, not for production"
        if problem := weak_keys(self.tables_signing_keys.get_secret_value()):
            yield f"BOOKWELL_TABLES_SIGNING_KEYS: {problem}"
        if problem := insecure_url(self.tables_url):
            yield f"BOOKWELL_TABLES_URL: {problem}"

    def own_databases(self) -> Iterator[tuple[str, str]]:
        """Its one database."""
        yield "BOOKWELL_TABLES_DATABASE_URL", self.database_url

    def decision_secrets(self) -> tuple[WebhookSecret, ...]:
        """What signs the back office's decisions; without any no decision is believed.

        Raises:
            ValueError: for what is no secret; repeats nothing of it.
        """
        text = self.tables_decision_secrets.get_secret_value()
        return tuple(WebhookSecret.parse(each) for each in text.replace(",", " ").split())

    @property
    def is_demo(self) -> bool:
        """Whether this is a place to try things."""
        return self.tables_demo

    @property
    def database_url(self) -> str:
        """The configured database, or the embedded one in the data folder."""
        return self.tables_database_url or url_of_file(self.data_dir / "tables.sqlite3")

    @property
    def public_url(self) -> str:
        """Where links in mails point, without a slash at the end."""
        return (self.tables_url or f"http://127.0.0.1:{self.tables_port}").rstrip("/")

    @property
    def keys_dir(self) -> Path:
        """Where the keys that sign tokens are, where none are configured."""
        return self.data_dir.absolute() / "tables-keys"

    @property
    def hands_on_logins(self) -> bool:
        """Whether the library issues the tokens that count here."""
        return not self.tables_local_accounts and self.library_token_issuer in {
            each.issuer for each in self.named_issuers
        }

    @property
    def longest_request_seconds(self) -> float:
        """Log-ins may be handed on to the library."""
        return super().longest_request_seconds + _HANDING_ON_SECONDS

    @property
    def hosts(self) -> list[str]:
        """The names by which the service may be asked: that of its URL is always one of them."""
        named = [host.strip() for host in self.tables_hosts.split(",") if host.strip()]
        own = urlsplit(self.tables_url).hostname
        return [*named, own] if own else named
