"""The library's settings from the environment."""

from collections.abc import Iterator

from pydantic import Field, SecretStr, field_validator

from bookwell.kit.key_ring import check_signing_keys
from bookwell.kit.production import insecure_url, weak_keys
from bookwell.kit.setting_urls import WebUrl, url_of_file
from bookwell.kit.settings import CommonSettings

__all__ = ["LibrarySettings"]


class LibrarySettings(CommonSettings):
    """`BOOKWELL_LIBRARY_*` and what every service reads."""

    notifier_url: WebUrl = Field(default="", description="Where the notifier answers; empty: its port on loopback")
    mail_port: int = Field(default=8025, description="Where the notifier listens")
    partners_url: WebUrl = Field(
        default="", description="Where the partners service answers; empty: its port on loopback"
    )
    partners_port: int = Field(default=5013, description="Where it listens")
    partners_budget_ms: int = Field(default=2000, ge=100, le=60_000, description="As the partners service has it")
    partners_hold_ms: int = Field(default=15_000, ge=100, le=50_000, description="The same, for holds")
    library_hosts: str = Field(
        default="localhost,127.0.0.1,[::1]", description="Names by which the library may be asked, with commas"
    )
    access_token_seconds: int = Field(default=300, ge=1, description="Life of an access token")
    refresh_token_days: int = Field(default=30, ge=1, description="Life of a session that is not used")
    signing_keys: SecretStr = Field(
        default=SecretStr(""), description="PEM blocks of RSA keys; the first signs. Empty: keys of the data folder."
    )
    login_failures_per_account: int = Field(default=5, ge=1, description="Within five minutes; then locked out")
    login_failures_per_address: int = Field(default=20, ge=1, description="Within one minute; then locked out")

    @field_validator("signing_keys")
    @classmethod
    def _check_signing_keys(cls, keys: SecretStr) -> SecretStr:
        check_signing_keys(keys.get_secret_value())
        return keys

    def _missing_in_production(self) -> Iterator[str]:
        yield from super()._missing_in_production()
        yield from self._missing_secret()
        if not self.signing_keys.get_secret_value().strip():
            make = "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048"
            yield f"BOOKWELL_SIGNING_KEYS: needed in production, the same for all processes; {make}"
        if not self.library_database_url:
            yield "BOOKWELL_LIBRARY_DATABASE_URL: needed in production"
        if not self.library_url:
            yield "BOOKWELL_LIBRARY_URL: needed in production, as in https://library.example.org"

    def _forbidden_in_production(self) -> Iterator[str]:
        yield from super()._forbidden_in_production()
        if problem := weak_keys(self.signing_keys.get_secret_value()):
            yield f"BOOKWELL_SIGNING_KEYS: {problem}"
        if problem := insecure_url(self.library_url, inside=bool(self.library_issuer)):
            yield f"BOOKWELL_LIBRARY_URL: {problem}"

    def own_databases(self) -> Iterator[tuple[str, str]]:
        """Its one database."""
        yield "BOOKWELL_LIBRARY_DATABASE_URL", self.database_url

    @property
    def database_url(self) -> str:
        """The configured database, or the embedded one in the data folder."""
        return self.library_database_url or url_of_file(self.data_dir / "library.sqlite3")

    @property
    def longest_request_seconds(self) -> float:
        """Some requests ask the partners service, within its time budget, before they ask the database."""
        return super().longest_request_seconds + self.partners_budget_ms / 1000 + 1

    @property
    def public_url(self) -> str:
        """Where clients reach the service."""
        return self.library

    @property
    def deliveries_url(self) -> str:
        """Where the notifier answers; the embedded one listens on loopback."""
        return self.notifier_url.rstrip("/") or f"http://127.0.0.1:{self.mail_port}"

    @property
    def gateway_url(self) -> str:
        """Where the partners service answers; the embedded one listens on loopback."""
        return self.partners_url.rstrip("/") or f"http://127.0.0.1:{self.partners_port}"
