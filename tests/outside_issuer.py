"""An issuer of tokens outside of Bookwell, as Keycloak is one: its key is had over HTTP, and it says what it likes."""

import datetime as dt
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from bookwell.kit import clock
from bookwell.kit.ids import new_id
from bookwell.kit.issuers import NamedIssuer
from tests.infrastructure.servers import free_port

__all__ = ["AUDIENCE", "OutsideIssuer", "outside_issuer"]

AUDIENCE = "bookwell-outside"
_KID = "outside"
_KEYS: list[RSAPrivateKey] = []


class OutsideIssuer:
    """One issuer at `url`; its roles stand where Keycloak has them."""

    def __init__(self, url: str) -> None:
        self.url = url
        if not _KEYS:
            _KEYS.append(generate_private_key(public_exponent=65537, key_size=2048))
        self._key = _KEYS[0]

    @property
    def named(self) -> NamedIssuer:
        """As the settings name it."""
        return NamedIssuer(
            issuer=self.url,
            audience=AUDIENCE,
            roles_claim=("realm_access", "roles"),
            jwks_url=f"{self.url}/certs",
        )

    def key_set(self) -> dict[str, Any]:
        """What it publishes."""
        member = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [member | {"kid": _KID, "use": "sig", "alg": "RS256"}]}

    def token(self, *roles: str, **claims: Any) -> str:
        """A token, good for five minutes: `token("reader", sub="a-1", email="a@example.org", email_verified=True)`."""
        payload = {
            "iss": self.url,
            "aud": AUDIENCE,
            "jti": new_id(),
            "exp": clock.now() + dt.timedelta(minutes=5),
            "realm_access": {"roles": list(roles)},
        }
        return jwt.encode(payload | claims, self._key, algorithm="RS256", headers={"kid": _KID})


@contextmanager
def outside_issuer() -> Iterator[OutsideIssuer]:
    """The issuer, answering on loopback until the end."""
    issuer = OutsideIssuer(f"http://127.0.0.1:{free_port()}")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(issuer.key_set()).encode()
            self.send_response(200 if self.path == "/certs" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class names it
            pass

    server = ThreadingHTTPServer(("127.0.0.1", int(issuer.url.rpartition(":")[2])), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
