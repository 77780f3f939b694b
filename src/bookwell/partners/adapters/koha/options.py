"""Keys of an entry with `protocol = "koha"`."""

from typing import Self

from pydantic import Field, SecretStr, model_validator

from bookwell.partners.adapters.protocol import AdapterOptions

__all__ = ["KohaOptions"]


class KohaOptions(AdapterOptions):
    """`url` ends with `/api/v1`. Either a user and password, or an OAuth client; a patron and place for holds.

    The patron is one for all of our readers; its circulation rules must allow as many holds as we may have. The
    account reads records, items and holds, and places holds where there is a patron. To follow a hold that became a
    loan it also reads the patron's checkouts (`circulate_remaining_permissions`).
    """

    username: str | None = None
    password: SecretStr | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    patron_id: int | None = Field(default=None, ge=1)
    pickup_library_id: str | None = None
    catalogue_url: str | None = Field(
        default=None, pattern=r"^https?://\S+$", description="A record's page, with {biblio_id} in it"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        basic = self.username is not None and self.password is not None
        oauth = self.client_id is not None and self.client_secret is not None
        if basic == oauth:
            raise ValueError("needs username and password, or client_id and client_secret")
        if (self.patron_id is None) != (self.pickup_library_id is None):
            raise ValueError("holds need patron_id and pickup_library_id")
        return self
