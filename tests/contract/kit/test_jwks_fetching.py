"""Key sets over HTTP: with discovery, without it, and from servers that answer something else."""

import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import jwt
import pytest

from bookwell.kit import clock
from bookwell.kit.issuers import parse_issuers
from bookwell.kit.jwks import fetch_key_set, trusted_issuers
from bookwell.kit.key_ring import KeyRing
from bookwell.kit.tokens import TokenSigner, TokenVerifier
from tests.infrastructure.servers import free_port

_DISCOVERY = "/.well-known/openid-configuration"
_USUAL = "/.well-known/jwks.json"
Serve = Callable[[Mapping[str, bytes]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves the given paths from loopback; answers the base URL."""
    servers: list[ThreadingHTTPServer] = []

    def start(answers: Mapping[str, bytes]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = answers.get(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class names it
                pass

        server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    made = KeyRing(tmp_path, retain=dt.timedelta(hours=1))
    made.signing_key()
    return made


def test_fetch_key_set__an_issuer_with_discovery__is_asked_where_it_says(serve: Serve, ring: KeyRing) -> None:
    keys = serve({"/certs": json.dumps(ring.jwks()).encode()})
    issuer = serve({f"/realms/r{_DISCOVERY}": json.dumps({"jwks_uri": f"{keys}/certs"}).encode()})

    assert fetch_key_set(f"{issuer}/realms/r/") == ring.jwks()


def test_fetch_key_set__an_issuer_without_discovery__is_asked_at_the_usual_place(serve: Serve, ring: KeyRing) -> None:
    assert fetch_key_set(serve({_USUAL: json.dumps(ring.jwks()).encode()})) == ring.jwks()


def test_fetch_key_set__a_place_in_the_settings__is_the_only_one_asked(serve: Serve, ring: KeyRing) -> None:
    place = serve({"/certs": json.dumps(ring.jwks()).encode()})

    assert fetch_key_set("https://unreachable.example", jwks_url=f"{place}/certs") == ring.jwks()


@pytest.mark.parametrize(
    "answers",
    [{}, {_USUAL: b"<html>"}, {_USUAL: b"[]"}, {_USUAL: b"{" + b" " * 300_000 + b"}"}, {_DISCOVERY: b"{}"}],
    ids=["nothing", "no JSON", "no object", "too long", "no address"],
)
def test_fetch_key_set__anything_else__is_an_error(serve: Serve, answers: dict[str, bytes]) -> None:
    with pytest.raises((httpx2.HTTPError, ValueError)):
        fetch_key_set(serve(answers))


def test_verify__a_token_of_an_issuer_in_the_settings__is_good_by_configuration_alone(
    serve: Serve, ring: KeyRing
) -> None:
    issuer = serve({_USUAL: json.dumps(ring.jwks()).encode()})
    verifier = TokenVerifier(trusted_issuers(parse_issuers(f"{issuer},bookwell")))
    signer = TokenSigner(ring, issuer=issuer, audience="bookwell", lifetime=dt.timedelta(minutes=5))

    claims = verifier.verify(
        signer.sign(subject="5", session_id="s", roles=["admin"], now=clock.now()), now=clock.now()
    )

    assert (claims.subject, claims.roles) == ("5", ("admin",))


def test_verify__an_issuer_whose_keys_are_elsewhere__is_told_by_its_name(serve: Serve, ring: KeyRing) -> None:
    name = "https://id.example/realms/r"
    place = serve({"/certs": json.dumps(ring.jwks()).encode()})
    entry = {"issuer": name, "audience": "account", "roles_claim": "realm_access.roles", "jwks_url": f"{place}/certs"}
    verifier = TokenVerifier(trusted_issuers(parse_issuers(json.dumps([entry]))))
    now = clock.now()
    payload = {"iss": name, "aud": ["account"], "jti": "1", "exp": now + dt.timedelta(minutes=5), "sub": "a-b"}
    key = ring.signing_key()

    token = jwt.encode(
        payload | {"realm_access": {"roles": ["reader"]}}, key.private, algorithm="RS256", headers={"kid": key.kid}
    )

    assert verifier.verify(token, now=now).roles == ("reader",)
