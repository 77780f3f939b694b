"""Tokens and the ring of keys."""

import base64
import datetime as dt
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from bookwell.kit.key_ring import KeyRing, load_or_create_secret, rotate_keys
from bookwell.kit.tokens import Claims, TokenInvalid, TokenSigner, TokenVerifier, TrustedIssuer

NOW = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)
LIFETIME = dt.timedelta(minutes=5)
ISSUER = "https://library.example"
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": "bookwell",
    "sub": "7",
    "sid": "s",
    "roles": ["reader"],
    "jti": "j",
    "exp": NOW.timestamp() + 60,
}


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    return KeyRing(tmp_path_factory.mktemp("keys"), retain=LIFETIME)


@pytest.fixture
def signer(ring: KeyRing) -> TokenSigner:
    return TokenSigner(ring, issuer=ISSUER, audience="bookwell", lifetime=LIFETIME)


@pytest.fixture
def verifier(ring: KeyRing) -> TokenVerifier:
    return TokenVerifier([TrustedIssuer(ISSUER, "bookwell", ring)])


def _forge(ring: KeyRing, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
    key = ring.signing_key()
    payload = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    return jwt.encode(payload, key.private, algorithm="RS256", headers={"kid": key.kid} | (header or {}))


def test_verify__what_was_signed__says_who(signer: TokenSigner, verifier: TokenVerifier) -> None:
    token = signer.sign(subject="7", session_id="s1", roles=["librarian"], now=NOW)

    claims = verifier.verify(token, now=NOW)

    assert (claims.subject, claims.session_id, claims.roles, claims.issuer) == ("7", "s1", ("librarian",), ISSUER)
    assert claims.expires_at == NOW.timestamp() + 300


def test_sign__each_token__has_an_id_of_its_own(signer: TokenSigner, verifier: TokenVerifier) -> None:
    tokens = [signer.sign(subject="7", session_id="s", roles=[], now=NOW) for _ in range(2)]

    assert len({verifier.verify(token, now=NOW).token_id for token in tokens}) == 2


def test_verify__remembered_token__still_expires(signer: TokenSigner, verifier: TokenVerifier) -> None:
    half_past = NOW + dt.timedelta(seconds=30)  # it ends in the midst of a minute for which it is remembered
    token = signer.sign(subject="7", session_id="s", roles=[], now=half_past)
    verifier.verify(token, now=half_past + LIFETIME - dt.timedelta(seconds=1))

    with pytest.raises(TokenInvalid):
        verifier.verify(token, now=half_past + LIFETIME)


def test_verify__key_is_withdrawn__a_remembered_token_counts_a_minute_longer_at_most(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path, retain=dt.timedelta(minutes=15))
    verifier = TokenVerifier([TrustedIssuer(ISSUER, "bookwell", ring)])
    signer = TokenSigner(ring, issuer=ISSUER, audience="bookwell", lifetime=dt.timedelta(hours=1))
    token = signer.sign(subject="7", session_id="s", roles=[], now=NOW)
    verifier.verify(token, now=NOW)
    for file in tmp_path.glob("*.pem"):
        file.unlink()

    with pytest.raises(TokenInvalid, match="key is unknown"):
        verifier.verify(token, now=NOW + dt.timedelta(minutes=1))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"aud": "other"},
        {"aud": None},
        {"exp": None},
        {"exp": NOW.timestamp() - 1},
        {"exp": "soon"},
        {"nbf": NOW.timestamp() + 5},
        {"jti": None},
    ],
)
def test_verify__wrong_claims__are_refused(ring: KeyRing, verifier: TokenVerifier, claims: dict[str, Any]) -> None:
    with pytest.raises(TokenInvalid):
        verifier.verify(_forge(ring, **claims), now=NOW)


def test_verify__right_claims_made_the_same_way__are_accepted(ring: KeyRing, verifier: TokenVerifier) -> None:
    assert verifier.verify(_forge(ring), now=NOW).subject == "7"


@pytest.mark.parametrize("header", [{"kid": "unknown"}, {"kid": ""}])
def test_verify__unknown_key__is_refused(ring: KeyRing, verifier: TokenVerifier, header: dict[str, Any]) -> None:
    with pytest.raises(TokenInvalid):
        verifier.verify(_forge(ring, header=header), now=NOW)


def test_verify__unsigned__is_refused(ring: KeyRing, verifier: TokenVerifier) -> None:
    unsigned = jwt.encode(CLAIMS, "", algorithm="none", headers={"kid": ring.signing_key().kid})

    with pytest.raises(TokenInvalid):
        verifier.verify(unsigned, now=NOW)


def test_verify__public_key_used_as_a_shared_secret__is_refused(ring: KeyRing, verifier: TokenVerifier) -> None:
    key = ring.signing_key()
    secret = key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = _segment({"alg": "HS256", "typ": "JWT", "kid": key.kid})
    content = f"{head}.{_segment(CLAIMS)}"
    signature = jwt.get_algorithm_by_name("HS256").sign(content.encode(), secret)

    with pytest.raises(TokenInvalid):
        verifier.verify(f"{content}.{_base64(signature)}", now=NOW)


@pytest.mark.parametrize("algorithm", ["RS384", "PS256"])
def test_verify__another_algorithm_of_the_right_key__is_refused(
    ring: KeyRing, verifier: TokenVerifier, algorithm: str
) -> None:
    key = ring.signing_key()

    with pytest.raises(TokenInvalid):
        verifier.verify(jwt.encode(CLAIMS, key.private, algorithm=algorithm, headers={"kid": key.kid}), now=NOW)


def test_verify__changed_payload__is_refused(ring: KeyRing, verifier: TokenVerifier) -> None:
    head, _, signature = _forge(ring).split(".")

    with pytest.raises(TokenInvalid):
        verifier.verify(f"{head}.{_segment(CLAIMS | {'sub': '1'})}.{signature}", now=NOW)


@pytest.mark.parametrize("token", ["", "a.b.c", "....", "x" * 100_000, "\N{SNOWMAN}", "e30.e30.e30", "W10.W10.W10"])
def test_verify__garbage__is_refused(verifier: TokenVerifier, token: str) -> None:
    with pytest.raises(TokenInvalid):
        verifier.verify(token, now=NOW)


def test_verify__roles_of_another_issuer__are_found_at_their_path(ring: KeyRing) -> None:
    outside = TrustedIssuer(ISSUER, "bookwell", ring, roles_claim=("realm_access", "roles"))

    claims: Claims = TokenVerifier([outside]).verify(_forge(ring, realm_access={"roles": ["admin"]}), now=NOW)

    assert claims.roles == ("admin",)
    assert TokenVerifier([outside]).verify(_forge(ring, realm_access="admin"), now=NOW).roles == ()


def test_key_ring__first_use__makes_one_private_key_nobody_else_can_read(tmp_path: Path) -> None:
    folder = tmp_path / "keys"

    KeyRing(folder, retain=LIFETIME).signing_key()

    [file] = folder.glob("*.pem")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_key_ring__many_first_uses_at_once__agree_on_one_key(tmp_path: Path) -> None:
    rings = [KeyRing(tmp_path, retain=LIFETIME) for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        keys = {key.kid for key in pool.map(lambda ring: ring.signing_key(), rings)}

    assert len(keys) == 1
    assert len(list(tmp_path.glob("*.pem"))) == 1


def test_rotate_keys__signs_with_the_new_and_publishes_the_old_until_its_tokens_are_dead(tmp_path: Path) -> None:
    with time_machine.travel(NOW, tick=False) as travel:
        ring = KeyRing(tmp_path, retain=LIFETIME)
        verifier = TokenVerifier([TrustedIssuer(ISSUER, "bookwell", ring)])
        signer = TokenSigner(ring, issuer=ISSUER, audience="bookwell", lifetime=LIFETIME)
        old = ring.signing_key()
        token = signer.sign(subject="7", session_id="s", roles=[], now=NOW)
        travel.shift(dt.timedelta(days=90))

        new = rotate_keys(tmp_path)

        assert ring.signing_key().kid == new != old.kid
        assert [key["kid"] for key in ring.jwks()["keys"]] == [new, old.kid]
        assert verifier.verify(token, now=NOW).subject == "7"
        travel.shift(LIFETIME)
        assert [key["kid"] for key in ring.jwks()["keys"]] == [new]
        assert ring.find_public_key(old.kid) is None


def test_rotate_keys__twice_in_one_moment__keeps_their_order(tmp_path: Path) -> None:
    with time_machine.travel(NOW, tick=False):
        rotate_keys(tmp_path)
        last = rotate_keys(tmp_path)

        assert KeyRing(tmp_path, retain=LIFETIME).signing_key().kid == last


def test_key_ring__configured_keys__the_first_signs_and_all_are_published(tmp_path: Path) -> None:
    keys = [generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
    pem = b"\n".join(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for key in keys)

    ring = KeyRing(tmp_path / "none", configured=pem, retain=LIFETIME)

    assert ring.signing_key().private.private_numbers() == keys[0].private_numbers()
    assert len(ring.jwks()["keys"]) == 2
    assert not (tmp_path / "none").exists()


def test_jwks__holds_no_private_member_and_is_readable_by_others(ring: KeyRing) -> None:
    document = json.loads(json.dumps(ring.jwks()))

    [key] = document["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}
    public = jwt.PyJWK.from_dict(key).key
    assert isinstance(public, RSAPublicKey)
    assert public.public_numbers() == ring.signing_key().public.public_numbers()


def test_secret__first_use_makes_it_and_later_ones_read_it(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "secret"

    first, second = load_or_create_secret(file), load_or_create_secret(file)

    assert first == second
    assert len(first) >= 43
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def _segment(content: dict[str, Any]) -> str:
    return _base64(json.dumps(content).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
