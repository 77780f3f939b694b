"""What a violation of each of this context's constraints means."""

from bookwell.kit.adapters.django.constraints import map_constraint
from bookwell.kit.machine_clients import ClientNameTaken
from bookwell.library.accounts.errors import (
    CardNumberTaken,
    EmailTaken,
    IdentityKnown,
    UsernameTaken,
)

__all__ = ["map_constraints"]


def map_constraints() -> None:
    """Register them with the transaction runner."""
    map_constraint("account_username_once", UsernameTaken, sqlite_columns="account.username_key")
    map_constraint("account_email_confirmed_once", EmailTaken, sqlite_columns="account.confirmed_email")
    map_constraint("unique_verified_email", EmailTaken, sqlite_columns="account_emailaddress.email")  # allauth's
    map_constraint("account_card_number_once", CardNumberTaken, sqlite_columns="account.card_number")
    map_constraint("outside_identity_once", IdentityKnown, sqlite_columns="outside_identity.digest")
    map_constraint(
        "outside_identity_once_an_issuer",
        IdentityKnown,
        sqlite_columns="outside_identity.user_id, outside_identity.issuer",
    )
    map_constraint("machine_client_name_once", ClientNameTaken, sqlite_columns="machine_client.name")
