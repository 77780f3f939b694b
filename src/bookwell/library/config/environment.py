"""The library's settings from the environment."""

from bookwell.kit.settings import CommonSettings

__all__ = ["LibrarySettings"]


class LibrarySettings(CommonSettings):
    """`BOOKWELL_LIBRARY_*` and what every service reads."""

    library_database_url: str = ""
    library_port: int = 8013
    library_url: str = ""
    library_hosts: str = "localhost,127.0.0.1,[::1]"
    access_token_seconds: int = 300
    refresh_token_days: int = 30

    @property
    def database_url(self) -> str:
        """The configured database, or the embedded one in the data folder."""
        return self.library_database_url or f"sqlite:///{(self.data_dir / 'library.sqlite3').absolute()}"

    @property
    def public_url(self) -> str:
        """Where clients reach the service; the issuer of its tokens."""
        return self.library_url or f"http://127.0.0.1:{self.library_port}"
