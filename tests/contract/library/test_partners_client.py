"""The library's client and the partners service, with nothing between them: real tokens, real bodies, real errors."""

from collections.abc import Iterator
from unittest.mock import patch

import httpx2
import pytest
from django.conf import settings

from bookwell.contracts.partners import HoldRequest, HoldStatus, PartnerState
from bookwell.kit.tokens import TokenVerifier, TrustedIssuer
from bookwell.library.accounts.tokens import key_ring
from bookwell.library.partners import client
from bookwell.library.partners.errors import HoldRefused, PartnersSilent
from bookwell.partners.app import make_app
from bookwell.partners.loop import PerProcess
from bookwell.partners.settings import PartnersSettings
from tests.fake_partners import ISBN, FakeAdapter, World, down, in_world

PARTNER = "library 2"
HOLD = HoldRequest(reference="reservation:17", isbn=ISBN)


@pytest.fixture
def world() -> Iterator[World]:
    """The service as it trusts this library, and the library's client on it."""
    configured = PartnersSettings(library_url=settings.TOKEN_ISSUER)
    verifier = TokenVerifier([TrustedIssuer(settings.TOKEN_ISSUER, settings.TOKEN_AUDIENCE, key_ring())])
    with in_world({PARTNER: FakeAdapter(), "library 3": FakeAdapter(failures=down())}) as world:
        app = make_app(configured, PerProcess(lambda: world.gateway), verifier=verifier)
        with (
            httpx2.Client(transport=httpx2.WSGITransport(app=app)) as http,
            patch.object(client, "_client", lambda: http),
        ):
            yield world


def test_partners__are_listed(world: World) -> None:
    listed = {partner.name: partner.takes_holds for partner in client.fetch_partners()}

    assert listed == {PARTNER: True, "library 3": True}


def test_availability__is_read(world: World) -> None:
    told = {answer.name: answer for answer in client.fetch_availability(ISBN)}

    assert told[PARTNER].state is PartnerState.AVAILABLE
    assert told[PARTNER].fetched_at is not None
    assert (told["library 3"].state, told["library 3"].fetched_at) == (PartnerState.UNKNOWN, None)
    assert told["library 3"].error


def test_availability__of_one_partner__is_asked_there_alone(world: World) -> None:
    (told,) = client.fetch_availability(ISBN, partner=PARTNER)

    assert (told.name, told.state) == (PARTNER, PartnerState.AVAILABLE)
    assert world.adapters["library 3"].calls == 0
    with pytest.raises(PartnersSilent):
        client.fetch_availability(ISBN, partner="library 77")


def test_hold__placed_twice_found_and_cancelled__is_one(world: World) -> None:
    placed = [client.place_hold(PARTNER, HOLD) for _ in range(2)]

    assert {hold.state for hold in placed} == {HoldStatus.ACCEPTED}
    assert len(world.adapters[PARTNER].holds) == 1
    assert client.find_hold(PARTNER, placed[0].ref).state is HoldStatus.ACCEPTED
    assert client.cancel_hold(PARTNER, placed[0].ref).state is HoldStatus.CANCELLED
    assert client.find_hold(PARTNER, "nothing").state is HoldStatus.UNKNOWN


def test_cancel__partner_refuses__is_final(world: World) -> None:
    with pytest.raises(HoldRefused):
        client.cancel_hold(PARTNER, "reservation:99")


def test_hold__partner_is_down_or_unknown__is_to_be_tried_again(world: World) -> None:
    for name in ("library 3", "library 77"):
        with pytest.raises(PartnersSilent):
            client.place_hold(name, HOLD)


def test_calls__without_the_librarys_own_token__are_refused(world: World) -> None:
    with patch.object(client, "sign_as_library", lambda **_: "x"), pytest.raises(PartnersSilent):
        client.fetch_partners()
