"""The client-credentials grant (RFC 6749, 4.4): who a machine client is, behind the same lockout as log-ins."""

import datetime as dt
from collections.abc import Sequence

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password

from bookwell.kit.http_errors import LOCKED_OUT, HttpRefusal
from bookwell.kit.machine_clients import ClientToken, chosen_scopes
from bookwell.library.accounts.lockout import find_lockout_seconds, record_failure
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
    seconds = find_lockout_seconds(username=account, address=address)
    if seconds is not None:
        raise HttpRefusal(LOCKED_OUT, headers={"Retry-After": str(seconds)})
    client = MachineClient.objects.filter(pk=client_id, revoked_at=None).first()
    if client is None:
        make_password(secret)
    if client is None or client.pk != client_id or not check_password(secret, client.secret_hash):
        record_failure(username=account, address=address)
        return None
    chosen = chosen_scopes(scopes, granted=client.scopes.split())
    access = signer().sign_for_client(client_id=client_id, scopes=chosen, now=now)
    return ClientToken(access, int(settings.ACCESS_TOKEN_LIFETIME.total_seconds()), chosen)
