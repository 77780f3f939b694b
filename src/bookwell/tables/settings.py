"""The tables service's settings from the environment; the restaurant's own rules are in its database."""

from collections.abc import Iterator

from pydantic import Field

from bookwell.kit.settings import CommonSettings

__all__ = ["TablesSettings"]


class TablesSettings(CommonSettings):
    """`BOOKWELL_TABLES_*` and what every service reads."""

    tables_database_url: str = ""
    tables_port: int = Field(default=9000, ge=1, le=32767)
    tables_url: str = Field(default="", description="Where guests reach the service; stands in their mails")
    tables_demo: bool = Field(default=False, description="The loopback may have any number of open orders")

    def _missing_in_production(self) -> Iterator[str]:
        yield from super()._missing_in_production()
        if not self.tables_database_url:
            yield "BOOKWELL_TABLES_DATABASE_URL: needed in production"
        if not self.tables_url:
            yield "BOOKWELL_TABLES_URL: needed in production, as in https://tables.example.org"

    def _forbidden_in_production(self) -> Iterator[str]:
        yield from super()._forbidden_in_production()
        if self.tables_demo:
            yield "BOOKWELL_TABLES_DEMO: for demos, not for production"

    @property
    def is_demo(self) -> bool:
        """Whether this is a place to try things."""
        return self.tables_demo

    @property
    def database_url(self) -> str:
        """The configured database, or the embedded one in the data folder."""
        return self.tables_database_url or f"sqlite:///{(self.data_dir / 'tables.sqlite3').absolute()}"

    @property
    def public_url(self) -> str:
        """Where links in mails point, without a slash at the end."""
        return (self.tables_url or f"http://127.0.0.1:{self.tables_port}").rstrip("/")
