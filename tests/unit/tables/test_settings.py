"""The tables service's settings."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bookwell.kit.settings import InvalidSettings
from bookwell.kit.webhooks import WebhookSecret
from bookwell.tables.settings import TablesSettings

_KEY = generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
)
_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_PRODUCTION = {
    "BOOKWELL_MODE": "production",
    "BOOKWELL_SECRET_KEY": "0123456789abcdef" * 3,
    "BOOKWELL_TABLES_DATABASE_URL": "postgresql://db/tables",
    "BOOKWELL_TABLES_URL": "https://tables.example.org/",
    "BOOKWELL_TABLES_SIGNING_KEYS": _KEY.decode(),
}


def _load(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> TablesSettings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return TablesSettings.load("server")


def test_load__production_for_a_worker__needs_nothing_that_logs_people_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in _PRODUCTION.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("BOOKWELL_SECRET_KEY")
    monkeypatch.delenv("BOOKWELL_TABLES_SIGNING_KEYS")

    worker, _ = TablesSettings.examine("worker")
    server, _ = TablesSettings.examine("server")

    named = [line.partition(":")[0] for line in server]
    assert (worker, named) == ([], ["BOOKWELL_SECRET_KEY", "BOOKWELL_TABLES_SIGNING_KEYS"])


def test_load__production_with_all_it_needs__is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _load(monkeypatch, _PRODUCTION)

    assert (settings.public_url, settings.is_demo) == ("https://tables.example.org", False)


@pytest.mark.parametrize(
    "name", ["BOOKWELL_TABLES_DATABASE_URL", "BOOKWELL_TABLES_URL", "BOOKWELL_TABLES_SIGNING_KEYS"]
)
def test_load__production_without_what_it_needs__names_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(InvalidSettings, match=name):
        _load(monkeypatch, {**_PRODUCTION, name: ""})


def test_load__a_demo__not_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as embedded:
        assert _load(embedded, {"BOOKWELL_TABLES_DEMO": "1"}).is_demo

    with pytest.raises(InvalidSettings, match="BOOKWELL_TABLES_DEMO"):
        _load(monkeypatch, {**_PRODUCTION, "BOOKWELL_TABLES_DEMO": "1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BOOKWELL_TABLES_URL", "http://tables.example.org"),
        ("BOOKWELL_TABLES_HOSTS", "*"),
        ("BOOKWELL_TABLES_DATABASE_URL", "postgresql://user:password@db/tables"),
    ],
)
def test_load__production_with_what_demos_have__is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(InvalidSettings, match=name):
        _load(monkeypatch, {**_PRODUCTION, name: value})


def test_load__several_processes_on_sqlite__not_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    crowded = {"BOOKWELL_TABLES_DATABASE_URL": "sqlite:///tables.sqlite3", "BOOKWELL_WORKERS": "2"}

    with pytest.raises(InvalidSettings, match="BOOKWELL_TABLES_DATABASE_URL: SQLite serves one process, not 2"):
        _load(monkeypatch, _PRODUCTION | crowded)


def test_load__production_with_outside_accounts_alone__needs_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    outside = {"BOOKWELL_TABLES_LOCAL_ACCOUNTS": "false", "BOOKWELL_ISSUERS": "https://id.example.org,tables"}

    settings = _load(monkeypatch, {**_PRODUCTION, **outside, "BOOKWELL_TABLES_SIGNING_KEYS": ""})

    assert not settings.hands_on_logins


def test_load__keys_that_are_none__are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidSettings, match="BOOKWELL_TABLES_SIGNING_KEYS: is no list"):
        _load(monkeypatch, {"BOOKWELL_TABLES_SIGNING_KEYS": "secret"})


def test_decision_secrets__two_while_one_replaces_the_other__are_both_good(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _load(monkeypatch, {"BOOKWELL_TABLES_DECISION_SECRETS": f"{_SECRET}, {_SECRET[:-4]}YWJj"})

    assert len(settings.decision_secrets()) == 2
    assert _SECRET not in repr(settings)


def test_decision_secrets__of_a_file__are_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text(f"{_SECRET}\n")

    settings = _load(monkeypatch, {"BOOKWELL_TABLES_DECISION_SECRETS_FILE": str(tmp_path / "secrets")})

    assert settings.decision_secrets() == (WebhookSecret.parse(_SECRET),)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BOOKWELL_TABLES_DECISION_SECRETS", "swordfish"),
        ("BOOKWELL_TABLES_DECISION_SECRETS", "whsec_c2hvcnQ="),
        ("BOOKWELL_TABLES_DECISION_SECRETS_FILE", "/nowhere/secrets"),
    ],
)
def test_decision_secrets__what_is_none__is_named_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(SystemExit, match=f"{name}: ") as refused:
        _load(monkeypatch, {name: value})

    assert "swordfish" not in str(refused.value)
    assert "c2hvcnQ" not in str(refused.value)
