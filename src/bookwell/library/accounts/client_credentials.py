"""The client-credentials grant (RFC 6749, 4.4): who a machine client is, behind the same lockout as log-ins."""

import datetime as dt
from collections.abc import Sequence

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password

from bookwell.kit.machine_clients import ClientToken, chosen_scopes
from bookwell.library.accounts.lockout import count_guess, refuse_locked_out
from bookwell.library.accounts.models import MachineClient
from bookwell.library.accounts.tokens import signer

__all__ = ["issue_client_token"]


def issue_client_token(
    *, client_id: str, secret: str, scopes: Sequence[str], address: str, now: dt.datetime
) -> ClientToken | None:
    """A token with the scopes asked for, or all that the client has; None for a wrong id or secret.

    A wrong id costs a hash like a wrong secret does.

    Raises:
        HttpRefusal: 429 while the client or the address is locked out.
        ScopeRefused
    """
    account = f"client:{client_id}"
    refuse_locked_out(username=account, address=address)
    client = MachineClient.objects.filter(pk=client_id, revoked_at=None).first()
    hashes = [] if client is None or client.pk != client_id else _hashes(client, now=now)
    if not hashes:
        make_password(secret)
    is_right = any(check_password(secret, each) for each in hashes)
    count_guess(is_right=is_right, username=account, address=address)
    if client is None or not is_right:
        return None
    chosen = chosen_scopes(scopes, granted=client.scopes.split())
    access = signer().sign_for_client(client_id=client_id, scopes=chosen, now=now)
    return ClientToken(access, int(settings.ACCESS_TOKEN_LIFETIME.total_seconds()), chosen)


def _hashes(client: MachineClient, *, now: dt.datetime) -> Sequence[str]:
    """Of the secrets that are good now."""
    has_former = client.former_hash and client.former_until and client.former_until > now
    return [client.secret_hash, *([client.former_hash] if client.former_hash and has_former else [])]
