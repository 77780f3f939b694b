"""webhooks.toml is read strictly, and private addresses are known by whatever name."""

from pathlib import Path

import pytest

from bookwell.kit.settings import InvalidSettings
from bookwell.kit.webhooks import WebhookSecret
from bookwell.notifier.endpoints import EndpointInvalid, is_public, parse_endpoints
from bookwell.notifier.settings import NotifierSettings

_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_OTHER = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
_ENVIRON = {"S": _SECRET, "TWO": f"{_OTHER} {_SECRET}", "EMPTY": "", "WRONG": "whsec_hush"}


def test_parse_endpoints__a_good_file__names_where_and_by_which_secrets(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{_SECRET}\n")
    text = """
        [endpoints.backoffice]
        url = "https://backoffice.example/hooks?a=b"
        secret_env = "TWO"
        [endpoints."here 2"]
        url = "http://127.0.0.1:9001/"
        secret_file = "secret"
        private = true
    """

    found = parse_endpoints(text, environ=_ENVIRON, folder=tmp_path)

    assert found["backoffice"].secrets == (WebhookSecret.parse(_OTHER), WebhookSecret.parse(_SECRET))
    assert (found["backoffice"].port, found["backoffice"].is_private_allowed) == (443, False)
    assert found["here 2"].secrets == (WebhookSecret.parse(_SECRET),)
    assert (found["here 2"].port, found["here 2"].is_private_allowed) == (9001, True)
    assert "whsec" not in repr(found)


@pytest.mark.parametrize(
    "entry",
    [
        'url = "https://a.example/"',
        'url = "https://a.example/"\nsecret_env = "S"\nsecret_file = "s"',
        'url = "https://a.example/"\nsecret_env = "MISSING"',
        'url = "https://a.example/"\nsecret_env = "EMPTY"',
        'url = "https://a.example/"\nsecret_env = "WRONG"',
        'url = "https://a.example/"\nsecret_file = "missing"',
        'url = "https://a.example/"\nsecret_env = "S"\nsecret = "whsec_hush"',
        'url = "http://a.example/"\nsecret_env = "S"',
        'url = "ftp://a.example/"\nsecret_env = "S"',
        'url = "https:///x"\nsecret_env = "S"',
        'url = "https://user:hush@a.example/"\nsecret_env = "S"',
        'url = "https://a.example:99999/"\nsecret_env = "S"',
        'url = "https://a.example/x y"\nsecret_env = "S"',
        'url = "https://a.example/"\nsecret_env = "S"\nprivate = 1',
        'secret_env = "S"',
    ],
)
def test_parse_endpoints__a_wrong_entry__is_named_without_its_secret(entry: str, tmp_path: Path) -> None:
    with pytest.raises(EndpointInvalid, match="endpoint 'backoffice'") as refusal:
        parse_endpoints(f"[endpoints.backoffice]\n{entry}", environ=_ENVIRON, folder=tmp_path)

    assert "hush" not in str(refusal.value)


@pytest.mark.parametrize("text", ["[endpoints", "[other]", "endpoints = 1"])
def test_parse_endpoints__another_file__is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(EndpointInvalid):
        parse_endpoints(text, environ={}, folder=tmp_path)


def test_load__a_wrong_webhooks_file__names_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "hooks.toml").write_text("[other]")
    monkeypatch.setenv("BOOKWELL_WEBHOOKS_FILE", str(tmp_path / "hooks.toml"))

    with pytest.raises(InvalidSettings, match="BOOKWELL_WEBHOOKS_FILE"):
        NotifierSettings.load()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 -- not bound to
        ("224.0.0.1", False),
        ("::1", False),
        ("fd00::1", False),
        ("fe80::1%eth0", False),
        ("::ffff:10.1.2.3", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::10.1.2.3", False),
        ("2002:a01:203::1", False),
        ("fec0::1", False),
        ("::10.1.2.3", False),
        ("::8.8.8.8", False),
        ("::ffff:0:10.1.2.3", False),
    ],
)
def test_is_public__only_the_open_internet(address: str, expected: bool) -> None:
    assert is_public(address) is expected
