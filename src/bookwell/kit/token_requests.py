"""The client-credentials grant of OAuth 2.0 on the wire: what a client sends (RFC 6749, 2.3.1 and 4.4.2), what it gets.

Errors have the shape that RFC 6749 (5.2) prescribes; only what any endpoint may refuse is a problem document.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from bookwell.kit.machine_clients import ClientToken, ScopeRefused

__all__ = [
    "FORM",
    "OAuthAnswer",
    "TokenRefused",
    "TokenRequest",
    "answer_token_request",
    "read_token_request",
]

FORM = "application/x-www-form-urlencoded"
"""The content type of a request."""

_GRANT = "client_credentials"
_LONGEST = 200
_MOST_FIELDS = 20
_PARAMETERS = ("grant_type", "client_id", "client_secret", "scope")
_HEADERS: Mapping[str, str] = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_CHALLENGE: Mapping[str, str] = {"WWW-Authenticate": 'Basic realm="bookwell", charset="UTF-8"'}


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """Who asks, and for which scopes; all that the client has when it names none."""

    client_id: str
    secret: str
    scopes: Sequence[str]


@dataclass(frozen=True, slots=True)
class OAuthAnswer:
    """An answer of the endpoint, before its JSON is written."""

    status: int
    content: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=lambda: dict(_HEADERS))


class TokenRefused(Exception):
    """An error of OAuth's: `code` is its own, `description` says more."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(code)
        self.code = code
        self.description = description

    def answer(self) -> OAuthAnswer:
        """What the client gets; a client that is not believed is told how to say who it is."""
        is_about_client = self.code == "invalid_client"
        content = {"error": self.code, "error_description": self.description}
        headers = {**_HEADERS, **(_CHALLENGE if is_about_client else {})}
        return OAuthAnswer(401 if is_about_client else 400, content, headers)


def answer_token_request(
    content_type: str,
    body: bytes,
    *,
    authorization: str | None,
    issue: Callable[[TokenRequest], ClientToken | None],
) -> OAuthAnswer:
    """What a client gets. `issue` gives the token, None to a client that it does not believe, or raises `ScopeRefused`.

    What else it raises goes to the caller.
    """
    try:
        return _issued(read_token_request(content_type, body, authorization=authorization), issue)
    except TokenRefused as refused:
        return refused.answer()


def read_token_request(content_type: str, body: bytes, *, authorization: str | None) -> TokenRequest:
    """What a client sends, by Basic authentication or in the form.

    Raises:
        TokenRefused
    """
    form = _form_of(content_type, body)
    client_id, secret = _credentials(form, authorization)
    if form.get("grant_type") != _GRANT:
        code = "unsupported_grant_type" if form.get("grant_type") else "invalid_request"
        raise TokenRefused(code, f"grant_type is {_GRANT}")
    return TokenRequest(client_id, secret, form.get("scope", "").split())


def _issued(wanted: TokenRequest, issue: Callable[[TokenRequest], ClientToken | None]) -> OAuthAnswer:
    try:
        issued = issue(wanted)
    except ScopeRefused:
        raise TokenRefused("invalid_scope", "The client does not have this scope") from None
    if issued is None:  # the same for an unknown client, a revoked one and a wrong secret
        raise TokenRefused("invalid_client", "The client or its secret is wrong")
    content = {
        "access_token": issued.access,
        "token_type": "Bearer",
        "expires_in": issued.seconds,
        "scope": " ".join(issued.scopes),
    }
    return OAuthAnswer(200, content)


def _form_of(content_type: str, body: bytes) -> dict[str, str]:
    if content_type.partition(";")[0].strip().lower() != FORM:
        raise TokenRefused("invalid_request", f"The body is {FORM}")
    try:
        sent = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise TokenRefused("invalid_request", "The form cannot be read") from None
    form = {}
    for name in _PARAMETERS:
        values = sent.get(name, [])
        if len(values) > 1 or any(len(value) > _LONGEST or "\0" in value for value in values):
            raise TokenRefused("invalid_request", f"{name} is repeated, or no such value")
        if values and values[0]:
            form[name] = values[0]
    return form


def _credentials(form: Mapping[str, str], authorization: str | None) -> tuple[str, str]:
    if authorization is None:
        if "client_id" not in form or "client_secret" not in form:
            raise TokenRefused("invalid_client", "Who is it? client_id and client_secret, or Basic authentication")
        return form["client_id"], form["client_secret"]
    if "client_secret" in form:
        raise TokenRefused("invalid_request", "One way to authenticate is enough")
    client_id, secret = _basic(authorization)
    if form.get("client_id", client_id) != client_id:
        raise TokenRefused("invalid_request", "client_id is another one in the form")
    return client_id, secret


def _basic(header: str) -> tuple[str, str]:
    """Name and secret are form-encoded before they are joined."""
    scheme, _, encoded = header.partition(" ")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, ValueError):
        decoded = ""
    client_id, _, secret = (unquote_plus(part) for part in decoded.partition(":"))
    if not client_id or not secret or "\0" in decoded + client_id + secret or len(decoded) > 2 * _LONGEST:
        raise TokenRefused("invalid_client", "The Authorization header is no Basic authentication of a client")
    return client_id, secret
