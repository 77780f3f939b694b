"""Keys of outside issuers: fetched seldom, waited for briefly, kept while the issuer is down."""

import datetime as dt
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bookwell.kit.jwks import IssuerUnreachable, JwksSource
from bookwell.kit.key_ring import KeyRing

_ISSUER = "https://issuer.example"


class _Issuer:
    """Publishes a key set, counts who asks, and may be down or slow."""

    def __init__(self, key_set: Mapping[str, Any]) -> None:
        self.key_set = key_set
        self.fetches = 0
        self.is_down = False
        self.answer = threading.Event()
        self.answer.set()

    def __call__(self, issuer: str) -> Mapping[str, Any]:
        self.fetches += 1
        self.answer.wait(600)
        if self.is_down:
            raise ConnectionError(issuer)
        return self.key_set


class _Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path, retain=dt.timedelta(hours=1))


@pytest.fixture
def issuer(ring: KeyRing) -> _Issuer:
    ring.signing_key()
    return _Issuer(ring.jwks())


def _settle(source: JwksSource, issuer: _Issuer, fetches: int) -> None:
    deadline = time.monotonic() + 60
    while issuer.fetches < fetches or source._running is not None:  # noqa: SLF001 -- the thread has no other sign
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_find_public_key__a_published_key__is_fetched_once(ring: KeyRing, issuer: _Issuer) -> None:
    source = JwksSource(_ISSUER, fetch=issuer)
    kid = ring.signing_key().kid

    keys = [source.find_public_key(kid) for _ in range(10)]

    assert {key.public_numbers() for key in keys if key} == {ring.signing_key().public.public_numbers()}
    assert issuer.fetches == 1


def test_find_public_key__made_up_names__cause_no_storm(issuer: _Issuer) -> None:
    now = _Time()
    source = JwksSource(_ISSUER, fetch=issuer, monotonic=now)

    keys = [source.find_public_key(f"made-up-{number}") for number in range(1000)]
    first = issuer.fetches
    now.now += 11
    keys.append(source.find_public_key("made-up"))

    assert set(keys) == {None}
    assert (first, issuer.fetches) == (1, 2)


def test_find_public_key__many_at_once__wait_for_one_fetch(ring: KeyRing, issuer: _Issuer) -> None:
    source = JwksSource(_ISSUER, fetch=issuer)
    kid = ring.signing_key().kid
    issuer.answer.clear()
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(source.find_public_key(kid))) for _ in range(8)]

    for thread in threads:
        thread.start()
    issuer.answer.set()
    for thread in threads:
        thread.join()

    assert None not in found
    assert issuer.fetches == 1


def test_find_public_key__a_new_key_of_the_issuer__is_found(ring: KeyRing, issuer: _Issuer, tmp_path: Path) -> None:
    now = _Time()
    source = JwksSource(_ISSUER, fetch=issuer, monotonic=now)
    source.find_public_key(ring.signing_key().kid)
    other = KeyRing(tmp_path / "other", retain=dt.timedelta(hours=1))
    issuer.key_set = {"keys": [*ring.jwks()["keys"], *other.jwks()["keys"]]}

    now.now += 11

    assert source.find_public_key(other.signing_key().kid) is not None


def test_find_public_key__the_issuer_is_down__the_last_good_keys_hold(ring: KeyRing, issuer: _Issuer) -> None:
    now = _Time()
    source = JwksSource(_ISSUER, fetch=issuer, monotonic=now)
    kid = ring.signing_key().kid
    source.find_public_key(kid)
    issuer.is_down = True

    now.now += 3600
    during = source.find_public_key(kid)
    _settle(source, issuer, 2)

    assert during is not None
    assert source.find_public_key(kid) is not None


def test_find_public_key__the_issuer_never_answers__is_not_waited_for(issuer: _Issuer) -> None:
    issuer.answer.clear()
    source = JwksSource(_ISSUER, fetch=issuer)

    began = time.monotonic()
    with pytest.raises(IssuerUnreachable):
        source.find_public_key("any")
    took = time.monotonic() - began
    issuer.answer.set()
    _settle(source, issuer, 1)

    assert took > 1.5  # and it has answered nobody meanwhile, or there would be a key


def test_find_public_key__the_issuer_starts_after_us__is_asked_again_a_second_later(
    ring: KeyRing, issuer: _Issuer
) -> None:
    now = _Time()
    source = JwksSource(_ISSUER, fetch=issuer, monotonic=now)
    issuer.is_down = True
    for _ in range(5):
        with pytest.raises(IssuerUnreachable):
            source.find_public_key("any")
    _settle(source, issuer, 1)
    issuer.is_down = False

    now.now += 1.1

    assert source.find_public_key(ring.signing_key().kid) is not None
    assert issuer.fetches == 2


def test_find_public_key__keys_of_other_kinds__are_passed_over(ring: KeyRing, issuer: _Issuer) -> None:
    good = ring.jwks()["keys"][0]
    others = [{"kty": "EC", "kid": "ec"}, good | {"kid": "enc", "use": "enc"}, good | {"kid": "ps", "alg": "PS256"}]
    issuer.key_set = {"keys": [*others, good]}
    source = JwksSource(_ISSUER, fetch=issuer)

    assert source.find_public_key(good["kid"]) is not None
    assert [source.find_public_key(kid) for kid in ("ec", "enc", "ps")] == [None, None, None]


def test_find_public_key__no_thread_can_be_started__the_next_question_fetches(
    ring: KeyRing, issuer: _Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = _Time()
    source = JwksSource(_ISSUER, fetch=issuer, monotonic=now)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", refuse)
        with pytest.raises(IssuerUnreachable):
            source.find_public_key("any")
    now.now += 1

    assert source.find_public_key(ring.signing_key().kid) is not None
