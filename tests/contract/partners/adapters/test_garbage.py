"""No answer of a partner, however strange, leaves an adapter as anything but its two errors."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from itertools import cycle
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookwell.contracts.partners import HoldRequest, HoldState
from bookwell.partners.adapters.protocol import AdapterError, Availability
from bookwell.partners.adapters.registry import adapter_kind, known_protocols
from bookwell.simulators.app import Simulators
from bookwell.simulators.http import Request

Handler = Callable[[httpx2.Request], Coroutine[None, None, httpx2.Response]]

_TLS = ssl.create_default_context()
_ISBN = "9780439023481"
_EDITION = "http://library-2.example/doc/1"
_REQUEST = HoldRequest(reference="reservation:1", isbn=_ISBN)
_DAIA = {
    "url": "http://library.test/library-2/daia",
    "paia_auth_url": "http://library.test/library-2/paia/auth",
    "paia_core_url": "http://library.test/library-2/paia/core",
    "paia_username": "bookwell",
    "paia_password": "simulated",
}
_KOHA = {
    "url": "http://library.test/library-3/api/v1",
    "client_id": "bookwell",
    "client_secret": "simulated",
    "patron_id": 51,
    "pickup_library_id": "CPL",
}
ADAPTERS = {"daia": _DAIA, "koha": _KOHA}

WORDS = """
    document item id requested href part available unavailable service expected queue limitation loan presentation
    doc status edition endtime error code condition option default access_token patron token_type expires_in
    biblio_id isbn item_id not_for_loan_status lost_status checked_out_date hold_id notes expiration_date
    cancellation_date http://purl.org/ontology/paia#StorageCondition
"""
PLAUSIBLE: list[Any] = [
    *(0, 1, 4, 3, 9, -1, 2**70, 1.5, True, None, "", [], {}),
    *("2026-12-01", "2026-12-01T10:00:00+01:00", "9999-12-31", "0001-01-01T00:00:00+14:00"),
    *("loan", "unknown", "W", "T", "insufficient_scope", "Hold cannot be placed. Reason: "),
    *(_ISBN, f"isbn:{_ISBN}", _EDITION, "[reservation:1]", "javascript:alert(1)"),
    *("\x00", "a" * 5000, "\u202e", "é"),
]

scalars = st.one_of(st.sampled_from(PLAUSIBLE), st.integers(), st.text(max_size=20), st.floats(allow_nan=False))
shaped = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(WORDS.split()), inner, max_size=5)
    ),
    max_leaves=25,
)
bodies = st.one_of(shaped.map(lambda value: json.dumps(value).encode()), st.binary(max_size=200))
header_values = st.one_of(
    st.sampled_from(["application/json", "text/html", "application/problem+json", "gzip"]),
    st.sampled_from(['<?x>; rel="next"', "<http://[>; rel=next", "/", "//other.test/", "http://a:b@library.test/"]),
    st.sampled_from(["9" * 30, "-1", "99999", "1e9", "Sun, 06 Nov 1994 08:49:37 GMT"]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20),
)
header_names = "content-type link location retry-after content-encoding x-total-count set-cookie content-length"
headers = st.dictionaries(st.sampled_from(header_names.split()), header_values, max_size=4)
statuses = st.one_of(st.sampled_from([200, 200, 200, 201, 204, 302, 401, 403, 404, 503]), st.integers(200, 599))
answers = st.tuples(statuses, headers, bodies)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.mark.parametrize("protocol", ADAPTERS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(told=st.lists(answers, min_size=1, max_size=6))
def test_any_call__garbage__raises_its_own_errors_alone(
    protocol: str, loop: asyncio.Runner, told: list[tuple[int, dict[str, str], bytes]]
) -> None:
    turn = cycle(told)

    async def garbage(request: httpx2.Request) -> httpx2.Response:
        status, headers, body = next(turn)
        return httpx2.Response(status, headers=headers, stream=httpx2.ByteStream(body))

    loop.run(_call_everything(protocol, garbage))


@pytest.mark.parametrize("protocol", ADAPTERS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_any_call__real_answers_with_one_thing_changed__raises_its_own_errors_alone(
    protocol: str, loop: asyncio.Runner, data: st.DataObject
) -> None:
    simulators = Simulators()
    changed = data.draw(st.integers(0, 12), label="which answer")
    seen = iter(range(10_000))

    async def almost(request: httpx2.Request) -> httpx2.Response:
        query = request.url.query.decode()
        sent = {name.lower(): value for name, value in request.headers.items()}
        answer = await simulators(Request(request.method, request.url.path, query, sent, await request.aread()))
        body = answer.body
        if next(seen) == changed and body:
            value = json.loads(body)
            path = data.draw(st.sampled_from(list(_paths(value))), label="where")
            body = json.dumps(_changed(value, path, data.draw(shaped, label="what"))).encode()
        return httpx2.Response(answer.status, headers=dict(answer.headers), stream=httpx2.ByteStream(body))

    loop.run(_call_everything(protocol, almost))


async def _call_everything(protocol: str, handler: Handler) -> None:
    kind = adapter_kind(protocol)
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(handler), trust_env=False, verify=_TLS) as client:
        adapter = kind.build(kind.options.model_validate(ADAPTERS[protocol]), client)
        placed = await _outcome(adapter.place_hold(_REQUEST))
        ref = placed.ref if isinstance(placed, HoldState) else "reservation:1"
        _check(placed)
        _check(await _outcome(adapter.fetch_availability(_ISBN)))
        _check(await _outcome(adapter.find_hold(ref)))
        _check(await _outcome(adapter.place_hold(_REQUEST)))
        _check(await _outcome(adapter.cancel_hold(ref)))


async def _outcome(call: Awaitable[Availability] | Awaitable[HoldState]) -> Availability | HoldState | None:
    try:
        return await call
    except AdapterError as error:
        assert len(getattr(error, "detail", "")) <= 200  # noqa: PT017 -- about any error, and there may be none
        return None


def _check(answer: Availability | HoldState | None) -> None:
    """What an adapter lets through can be written down and shown."""
    if isinstance(answer, Availability):
        assert answer.copies_available is None or answer.copies_available >= 0
        assert answer.href is None or answer.href.lower().startswith(("http://", "https://"))
    if isinstance(answer, HoldState):
        assert HoldState.model_validate_json(answer.model_dump_json()) == answer


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from _paths(child, (*path, key))


def _changed(value: Any, path: tuple[Any, ...], what: Any) -> Any:
    if not path:
        return what
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _changed(value[path[0]], path[1:], what)
    return copy


def test_every_adapter_is_under_test() -> None:
    assert sorted(ADAPTERS) == known_protocols()
