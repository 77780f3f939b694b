"""Signatures of webhooks, held against the published vector and against forgers."""

import datetime as dt
from base64 import b64encode

import pytest

from bookwell.kit.webhooks import SignatureInvalid, WebhookSecret, sign, verify

_SECRET = WebhookSecret.parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
_OTHER = WebhookSecret.parse(f"whsec_{b64encode(bytes(range(32))).decode()}")
_AT = dt.datetime.fromtimestamp(1614265330, tz=dt.UTC)
_BODY = b'{"test": 2432232314}'
_GOOD = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def test_sign__the_published_vector__has_the_published_signature() -> None:
    assert sign([_SECRET], message_id=_GOOD["webhook-id"], sent_at=_AT, body=_BODY) == _GOOD


def test_sign__while_a_secret_is_replaced__both_sign_and_either_is_enough() -> None:
    headers = sign([_OTHER, _SECRET], message_id="m1", sent_at=_AT, body=_BODY)

    assert headers["webhook-signature"].count("v1,") == 2
    for secret in (_OTHER, _SECRET):
        assert verify(headers, _BODY, secrets=[secret], now=_AT) == "m1"


def test_verify__names_in_capitals_and_odd_tokens_between__are_no_hindrance() -> None:
    signature = f"v1a,abc v1,%%% v1,żółw x v2,{_GOOD['webhook-signature'][3:]} {_GOOD['webhook-signature']}"
    headers = {name.upper(): value for name, value in (_GOOD | {"webhook-signature": signature}).items()}

    assert verify(headers, _BODY, secrets=[_OTHER, _SECRET], now=_AT) == _GOOD["webhook-id"]


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook-id": ""},
        {"webhook-id": "msg_other"},
        {"webhook-id": "ż"},
        {"webhook-id": "m" * 129},
        {"webhook-timestamp": "1614265331"},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "²"},
        {"webhook-timestamp": "9" * 40},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": _GOOD["webhook-signature"].replace("v1,", "v1a,")},
        {"webhook-signature": _GOOD["webhook-signature"].replace("v1,", "")},
        {"webhook-signature": f"v1,{b64encode(bytes(32)).decode()}"},
    ],
)
def test_verify__anything_changed__is_refused(changes: dict[str, str]) -> None:
    verify(_GOOD, _BODY, secrets=[_SECRET], now=_AT)
    with pytest.raises(SignatureInvalid):
        verify(_GOOD | changes, _BODY, secrets=[_SECRET], now=_AT)


def _signed(message_id: str, timestamp: str) -> dict[str, str]:
    """What somebody sends who knows the secret."""
    signature = _SECRET.signature_of(f"{message_id}.{timestamp}.".encode() + _BODY)
    given = {"webhook-id": message_id, "webhook-timestamp": timestamp}
    return given | {"webhook-signature": f"v1,{b64encode(signature).decode()}"}


def test_verify__the_longest_id__is_taken() -> None:
    assert verify(_signed("m" * 128, "1614265330"), _BODY, secrets=[_SECRET], now=_AT) == "m" * 128


@pytest.mark.parametrize(
    ("message_id", "timestamp"),
    [
        *((message_id, "1614265330") for message_id in ("", "m" * 129, "ż", "a\nb", "a\0b")),
        *(
            ("m1", timestamp)
            for timestamp in ("", "+1614265330", " 1614265330", "1_614_265_330", "²", "１６１４２６５３３０")
        ),
        *(("m1", timestamp) for timestamp in ("1614265330.0", "0001614265330", "9" * 400)),
    ],
)
def test_verify__odd_but_signed__is_refused(message_id: str, timestamp: str) -> None:
    with pytest.raises(SignatureInvalid):
        verify(_signed(message_id, timestamp), _BODY, secrets=[_SECRET], now=_AT)


def test_verify__another_body_or_secret_or_none__is_refused() -> None:
    for body, secrets in ((_BODY + b" ", [_SECRET]), (_BODY, [_OTHER]), (_BODY, [])):
        with pytest.raises(SignatureInvalid):
            verify(_GOOD, body, secrets=secrets, now=_AT)
    with pytest.raises(SignatureInvalid):
        verify({}, _BODY, secrets=[_SECRET], now=_AT)


@pytest.mark.parametrize(("seconds", "is_taken"), [(300, True), (301, False), (-300, True), (-301, False)])
def test_verify__by_the_distance_to_our_clock(seconds: int, is_taken: bool) -> None:
    now = _AT + dt.timedelta(seconds=seconds)

    if is_taken:
        assert verify(_GOOD, _BODY, secrets=[_SECRET], now=now)
    else:
        with pytest.raises(SignatureInvalid):
            verify(_GOOD, _BODY, secrets=[_SECRET], now=now)


@pytest.mark.parametrize(
    "text",
    ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%", "whsec_aHVzaA==", f"whsec_{b64encode(bytes(65)).decode()}"],
)
def test_parse__what_is_no_secret__is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(does|is|has) ") as refusal:
        WebhookSecret.parse(text)

    assert "aHVzaA" not in str(refusal.value)
    assert "SECRET" not in repr(_SECRET)
    assert "MfKQ" not in repr(_SECRET)
    assert repr(_SECRET) == "WebhookSecret()"
