"""With what the service does not start, and what it says then."""

import datetime as dt
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from bookwell.kit import clock
from bookwell.kit.settings import InvalidSettings
from bookwell.library.config.environment import LibrarySettings

NO_PASSPHRASE = NoEncryption()


def pem(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, encryption: KeySerializationEncryption = NO_PASSPHRASE
) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRODUCTION = {
    "MODE": "production",
    "SECRET_KEY": "0123456789abcdef" * 3,
    "SIGNING_KEYS": pem(RSA_KEY),
    "LIBRARY_DATABASE_URL": "mysql://db/bookwell",
    "LIBRARY_URL": "https://library.example",
}


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> LibrarySettings:
    monkeypatch.delenv("BOOKWELL_SECRET_KEY")
    for name, value in variables.items():
        monkeypatch.setenv(f"BOOKWELL_{name}", value)
    return LibrarySettings.load()


@pytest.mark.parametrize(
    "keys",
    [
        "garbage",
        "-----BEGIN PRIVATE KEY-----\ngarbage\n-----END PRIVATE KEY-----",
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(RSA_KEY, BestAvailableEncryption(b"passphrase")),
        pem(RSA_KEY) + "-----BEGIN PRIVATE KEY-----\ngarbage\n-----END PRIVATE KEY-----",
    ],
)
def test_signing_keys__none_that_can_sign__is_refused_by_name(monkeypatch: pytest.MonkeyPatch, keys: str) -> None:
    with pytest.raises(InvalidSettings) as refusal:
        load(monkeypatch, SIGNING_KEYS=keys)

    assert str(refusal.value).startswith("BOOKWELL_SIGNING_KEYS: ")
    assert "garbage" not in str(refusal.value)


def test_production__without_secrets__lists_each_and_how_to_make_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidSettings) as refusal:
        load(monkeypatch, **(PRODUCTION | {"SECRET_KEY": "", "SIGNING_KEYS": ""}))

    lines = str(refusal.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["BOOKWELL_SECRET_KEY", "BOOKWELL_SIGNING_KEYS"]
    assert all("openssl" in line for line in lines)


@pytest.mark.parametrize("name", ["LIBRARY_DATABASE_URL", "LIBRARY_URL"])
def test_production__without_an_address_that_others_need__names_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(InvalidSettings) as refusal:
        load(monkeypatch, **(PRODUCTION | {name: ""}))

    assert [line.partition(":")[0] for line in str(refusal.value).splitlines()] == [f"BOOKWELL_{name}"]


def test_production__with_secrets__starts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, **PRODUCTION).mode == "production"


_WEAK_KEY = pem(rsa.generate_private_key(public_exponent=65537, key_size=1024))  # noqa: S505 -- refused


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLOCK_OFFSET", "60"),
        ("DEMO_PASSWORD", "demo-demo-demo"),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "x" * 64),
        ("SECRET_KEY", "change-me-change-me-change-me-change-me"),
        ("SIGNING_KEYS", _WEAK_KEY),
        ("LOG_LEVEL", "DEBUG"),
        ("LIBRARY_HOSTS", "library.example, *"),
        ("LIBRARY_URL", "http://library.example"),
        ("LIBRARY_ISSUER", "http://library.example"),
        ("ISSUERS", "http://id.example,library"),
        ("ISSUERS", '[{"issuer": "https://id.example", "audience": "x", "jwks_url": "http://keys.example/jwks"}]'),
        ("LIBRARY_DATABASE_URL", "mysql://bookwell:bookwell@db/bookwell"),
        ("REDIS_URL", "redis://:password@redis:6379/0"),
    ],
)
def test_production__with_what_demos_have__is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(InvalidSettings) as refusal:
        load(monkeypatch, **(PRODUCTION | {name: value}))

    (line,) = str(refusal.value).splitlines()
    assert f"BOOKWELL_{name}" in line.partition(": ")[0]
    assert "change-me" not in line
    assert ":password@" not in line


def test_production__between_services__http_is_for_names_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = {
        "LIBRARY_URL": "http://library:8013",
        "LIBRARY_ISSUER": "https://library.example",
        "ISSUERS": '[{"issuer": "https://id.example", "audience": "x", "jwks_url": "http://10.0.0.7/jwks"}]',
    }

    assert load(monkeypatch, **(PRODUCTION | inside)).library == "http://library:8013"


@pytest.mark.parametrize(
    ("workers", "url", "lines"), [("1", "sqlite:///x", 0), ("2", "sqlite:///x", 1), ("2", "mysql://db/bookwell", 0)]
)
def test_production__several_processes__need_a_server_of_databases(
    monkeypatch: pytest.MonkeyPatch, workers: str, url: str, lines: int
) -> None:
    monkeypatch.delenv("BOOKWELL_SECRET_KEY")
    for name, value in (PRODUCTION | {"WORKERS": workers, "LIBRARY_DATABASE_URL": url}).items():
        monkeypatch.setenv(f"BOOKWELL_{name}", value)

    problems, _ = LibrarySettings.examine()

    assert len(problems) == lines
    assert all(line.startswith("BOOKWELL_LIBRARY_DATABASE_URL: SQLite") for line in problems)


def test_production__much_is_wrong__is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "MODE": "production",
        "LIBRARY_DATABASE_URL": "mysql://db/bookwell",
        "LIBRARY_URL": "https://library.example",
        "LIBRARY_PORT": "x",
        "SIGNING_KEYS": "none",
        "LIBRARY_HOSTS": "*",
        "CLOCK_OFFSET": "9",
    }

    with pytest.raises(InvalidSettings) as refusal:
        load(monkeypatch, **wrong)

    named = sorted(line.partition(":")[0].removeprefix("BOOKWELL_") for line in str(refusal.value).splitlines())
    assert named == ["CLOCK_OFFSET", "LIBRARY_HOSTS", "LIBRARY_PORT", "SECRET_KEY", "SIGNING_KEYS"]


def test_examine__what_cannot_be_read__is_as_if_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKWELL_LIBRARY_PORT", "x")
    monkeypatch.setenv("BOOKWELL_LIBRARY_HOSTS", "library.example")

    problems, settings = LibrarySettings.examine()

    assert [line.partition(":")[0] for line in problems] == ["BOOKWELL_LIBRARY_PORT"]
    assert settings is not None
    assert (settings.library_port, settings.library_hosts) == (8013, "library.example")


@pytest.mark.parametrize("offset", ["nan", "inf", "1e300", "soon"])
def test_clock_offset__no_number_of_seconds__is_refused_by_name(monkeypatch: pytest.MonkeyPatch, offset: str) -> None:
    with pytest.raises(InvalidSettings, match=r"BOOKWELL_CLOCK_OFFSET: "):
        load(monkeypatch, CLOCK_OFFSET=offset)


@pytest.fixture
def _clock_on_time() -> Iterator[None]:
    yield
    clock.set_offset(0)


@pytest.mark.usefixtures("_clock_on_time")
def test_clock__set_forward__is_ahead() -> None:
    before = clock.now()

    clock.set_offset(3600)

    assert dt.timedelta(hours=1) <= clock.now() - before < dt.timedelta(hours=1, minutes=1)


def test_library_issuer__another_name__is_only_in_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, LIBRARY_URL="http://inner:8013", LIBRARY_ISSUER="https://library.example/")

    assert (settings.public_url, settings.library_token_issuer) == ("http://inner:8013", "https://library.example")


def test_library_url__with_a_slash_at_its_end__is_the_issuer_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, LIBRARY_URL="https://library.example/").public_url == "https://library.example"
