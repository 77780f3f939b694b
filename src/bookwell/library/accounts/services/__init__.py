"""What happens to accounts, by verb."""

from bookwell.library.accounts.services.categories import delete_category_in_tx, save_category_in_tx
from bookwell.library.accounts.services.clients import add_client, revoke_client, rotate_secret
from bookwell.library.accounts.services.identities import adopt_identity
from bookwell.library.accounts.services.resetting import offer_password_reset, reset_password
from bookwell.library.accounts.services.sessions import (
    TokenPair,
    end_session,
    end_sessions_in_tx,
    forget_dead_sessions,
    open_session,
    refresh_session,
)
from bookwell.library.accounts.services.users import (
    UserFields,
    anonymise_user_in_tx,
    change_user_in_tx,
    create_user_in_tx,
    lock_administrators_in_tx,
)

__all__ = [
    "TokenPair",
    "UserFields",
    "add_client",
    "adopt_identity",
    "anonymise_user_in_tx",
    "change_user_in_tx",
    "create_user_in_tx",
    "delete_category_in_tx",
    "end_session",
    "end_sessions_in_tx",
    "forget_dead_sessions",
    "lock_administrators_in_tx",
    "offer_password_reset",
    "open_session",
    "refresh_session",
    "reset_password",
    "revoke_client",
    "rotate_secret",
    "save_category_in_tx",
]
