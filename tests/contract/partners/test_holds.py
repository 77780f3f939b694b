"""Holds at partners, for the library service alone; and how the partners do, for staff."""

from typing import Any

import pytest

from bookwell.contracts.partners import HoldState
from bookwell.partners.adapters.protocol import Failure, PartnerFailed, PartnerRefused, Refusal
from tests.fake_partners import ISBN, OTHER_ISSUER, FakeAdapter, World, down, in_world, token

SERVICE = {"sub": "library", "roles": ["service"]}
HOLD = {"reference": "reservation:17", "isbn": ISBN}


def call(world: World, method: str, path: str, body: Any = None, **claims: Any) -> Any:
    return world.client.open(path, method=method, json=body, headers=token(**claims or SERVICE))


def test_hold__its_life__is_placed_found_and_cancelled() -> None:
    with in_world() as world:
        placed = call(world, "POST", "/partners/library%202/reservations", HOLD)
        again = call(world, "POST", "/partners/library%202/reservations", HOLD)
        found = call(world, "GET", "/partners/library%202/reservations/reservation:17")
        cancelled = call(world, "DELETE", "/partners/library%202/reservations/reservation:17")

        assert len(world.adapters["library 2"].holds) == 1
    states = [HoldState.model_validate(answer.json).state for answer in (placed, again, found, cancelled)]
    assert states == ["accepted", "accepted", "accepted", "cancelled"]


def test_hold__the_partner_refuses__is_a_state_with_its_reason() -> None:
    adapter = FakeAdapter(failures=[PartnerRefused(Refusal.LIMIT_REACHED, "Too many holds")])
    with in_world({"a": adapter}) as world:
        placed = call(world, "POST", "/partners/a/reservations", HOLD)

    assert (placed.status_code, placed.json["state"], placed.json["reason"]) == (200, "refused", "Too many holds")


def test_hold__the_partner_fails__is_unavailable_and_tried_once() -> None:
    with in_world({"a": FakeAdapter(failures=down())}) as world:
        refused = call(world, "POST", "/partners/a/reservations", HOLD)

        assert world.adapters["a"].calls == 1
    assert (refused.status_code, refused.json["code"]) == (503, "partner.silent")
    assert "Retry-After" in refused.headers


def test_hold__the_partner_hangs__is_given_up_in_time() -> None:
    with in_world({"a": FakeAdapter(seconds=60)}, partners_hold_ms=200) as world:
        refused = call(world, "POST", "/partners/a/reservations", HOLD)

    assert (refused.status_code, refused.json["detail"]) == (503, "No answer: timeout")


def test_hold__cancelling_is_refused__is_a_conflict() -> None:
    with in_world() as world:
        refused = call(world, "DELETE", "/partners/library%202/reservations/reservation:99")

    assert (refused.status_code, refused.json["code"], refused.json["detail"]) == (
        409,
        "partner.refused",
        "no such hold",
    )


def test_find__partner_takes_no_holds_any_more__is_refused_as_documented() -> None:
    with in_world({"library 2": FakeAdapter(takes_holds=False)}) as world:
        refused = call(world, "GET", "/partners/library%202/reservations/reservation:17")
        document: Any = world.client.get("/openapi.json").json

    assert (refused.status_code, refused.json["code"]) == (409, "partner.refused")
    assert "409" in document["paths"]["/partners/{name}/reservations/{ref}"]["get"]["responses"]


def test_hold__no_such_partner__is_not_found() -> None:
    with in_world() as world:
        refused = call(world, "POST", "/partners/nobody/reservations", HOLD)

    assert (refused.status_code, refused.json["code"]) == (404, "partner.unknown")


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"sub": "1", "roles": ["admin"]}, 403),
        ({"sub": "1", "roles": ["reader"]}, 403),
        ({"client_id": "x", "scope": "reservations:write"}, 403),
        ({"issuer": OTHER_ISSUER, **SERVICE}, 403),
        ({"issuer": "http://unknown.test", **SERVICE}, 401),
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_hold__not_the_library_service__is_refused(method: str, claims: dict[str, Any], status: int) -> None:
    path = "/partners/nobody/reservations" + ("" if method == "POST" else "/x")
    with in_world() as world:
        refused = call(world, method, path, {} if method == "POST" else None, **claims)
        stranger = world.client.open(path, method=method)

        assert [adapter.calls for adapter in world.adapters.values()] == [0, 0]
    assert (refused.status_code, stranger.status_code) == (status, 401)


@pytest.mark.parametrize(
    "body", [{}, {"reference": "a/b", "isbn": ISBN}, {"reference": "a", "isbn": "1"}, {**HOLD, "other_refs": [5]}, []]
)
def test_hold__a_wrong_body__is_refused(body: Any) -> None:
    with in_world() as world:
        refused = call(world, "POST", "/partners/library%202/reservations", body)

        assert world.adapters["library 2"].calls == 0
    assert refused.status_code == 422


def test_partners__staff__see_how_each_does() -> None:
    failing = FakeAdapter(failures=[PartnerFailed(Failure.MALFORMED)] * 9)
    with in_world({"good": FakeAdapter(), "bad": failing}) as world:
        for book in (1, 3):
            world.client.get(f"/status/{book}")
        answer = call(world, "GET", "/partners", sub="1", roles=["librarian"])

    good, bad = answer.json["items"]
    assert (good["name"], good["protocol"], good["circuit"], good["error_rate"]) == ("good", "fake", "closed", 0)
    assert good["last_success_at"] is not None
    assert good["p95_milliseconds"] >= 0
    assert (bad["error_rate"], bad["last_success_at"], bad["calls"]) == (1, None, 2)


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"roles": ["reader"]}, 403),
        ({"roles": ["staff"]}, 403),
        ({"roles": ["admin"]}, 200),
        ({"roles": ["service"]}, 200),
        ({"roles": ["service"], "issuer": OTHER_ISSUER}, 403),
    ],
)
def test_partners__who_may(claims: dict[str, Any], status: int) -> None:
    with in_world() as world:
        assert call(world, "GET", "/partners", sub="1", **claims).status_code == status
        assert world.client.get("/partners").status_code == 401
