"""Keys of an entry with `protocol = "daia"`."""

from typing import Self

from pydantic import Field, SecretStr, model_validator

from bookwell.partners.adapters.protocol import AdapterOptions

__all__ = ["DaiaOptions"]


class DaiaOptions(AdapterOptions):
    """`url` is the DAIA server's base; `id_prefix` its syntax for ISBNs. The `paia_*` keys belong together.

    The PAIA account is one for all of our readers. `pickup` is the id of a storage option, where the partner asks.
    """

    id_prefix: str = Field(default="isbn:", max_length=100)
    patron_type: str | None = None
    access_token: SecretStr | None = None
    paia_auth_url: str | None = Field(default=None, pattern=r"^https?://[^\s?#]+$")
    paia_core_url: str | None = Field(default=None, pattern=r"^https?://[^\s?#]+$")
    paia_username: str | None = None
    paia_password: SecretStr | None = None
    pickup: str | None = None

    @model_validator(mode="after")
    def _whole_account(self) -> Self:
        account = {
            "paia_auth_url": self.paia_auth_url,
            "paia_core_url": self.paia_core_url,
            "paia_username": self.paia_username,
            "paia_password": self.paia_password,
        }
        missing = [name for name, value in account.items() if value is None]
        if missing and len(missing) < len(account):
            raise ValueError(f"PAIA needs {', '.join(missing)} too")
        return self

    def addresses(self) -> tuple[str, ...]:
        """DAIA's, and PAIA's where there is one."""
        return tuple(url for url in (self.url, self.paia_auth_url, self.paia_core_url) if url is not None)
