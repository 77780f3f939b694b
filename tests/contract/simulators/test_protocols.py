"""The simulated libraries speak their protocols as documented, traps included."""

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from bookwell.simulators.app import Simulators
from bookwell.simulators.http import Answer, Request
from bookwell.simulators.library import HoldStatus

pytestmark = pytest.mark.anyio

BASIC = {"authorization": "Basic " + base64.b64encode(b"bookwell:simulated").decode()}
ISBN, OTHER = "9780261103573", "9780261102217"
ACCOUNT = {"grant_type": "password", "username": "bookwell", "password": "simulated"}
STORAGE = "http://purl.org/ontology/paia#StorageCondition"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def simulators(anyio_backend: str) -> Simulators:
    simulators = Simulators()
    for library in simulators.libraries.values():
        await told(simulators, "PUT", f"/control/{library.slug}/stock/{ISBN}", {"free": 1, "on_loan": [5], "queue": 2})
        await told(simulators, "PUT", f"/control/{library.slug}/stock/{OTHER}", {"free": 1})
    return simulators


async def told(
    simulators: Simulators,
    method: str,
    target: str,
    body: Any = None,
    *,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    path, _, query = target.partition("?")
    content = urlencode(form).encode() if form else b"" if body is None else json.dumps(body).encode()
    return await simulators(Request(method, path, query, headers or {}, content))


def read(answer: Answer) -> Any:
    return json.loads(answer.body)


async def signed_in(
    simulators: Simulators, library: str, scope: str | None = "read_items write_items"
) -> dict[str, str]:
    form = ACCOUNT if scope is None else {**ACCOUNT, "scope": scope}
    token = read(await told(simulators, "POST", f"/{library}/paia/auth/login", form=form))["access_token"]
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (f"id=isbn:{ISBN}", 422),
        (f"id=isbn:{ISBN}&format=xml", 422),
        ("format=json", 400),
        (f"id=isbn:{ISBN}|isbn:{OTHER}&format=json", 400),
        (f"id=isbn:{ISBN}%7Cisbn:{OTHER}&format=json", 200),
    ],
)
async def test_daia__query__is_held_to_the_letter(simulators: Simulators, query: str, status: int) -> None:
    answer = await told(simulators, "GET", f"/library-2/daia?{query}")

    assert answer.status == status
    assert answer.headers["X-DAIA-Version"]
    assert ("error" in read(answer)) is (status != 200)


async def test_daia__unknown_id__is_200_without_a_document(simulators: Simulators) -> None:
    absent = await told(simulators, "GET", "/library-2/daia?id=isbn:9790000000001&format=json")
    empty = await told(simulators, "GET", "/library-4/daia?id=urn:isbn:9790000000001&format=json")

    assert (absent.status, read(absent)["document"]) == (200, [])
    assert [document["item"] for document in read(empty)["document"]] == [[]]


async def test_daia__more_ids_than_it_likes__answers_some_and_links_to_the_rest(simulators: Simulators) -> None:
    answer = await told(simulators, "GET", f"/library-4/daia?id=urn:isbn:{ISBN}%7Curn:isbn:{OTHER}&format=json")

    assert [document["requested"] for document in read(answer)["document"]] == [f"urn:isbn:{ISBN}"]
    rest = answer.headers["Link"].removeprefix("<").removesuffix('>; rel="next"')
    assert read(await told(simulators, "GET", rest))["document"][0]["requested"] == f"urn:isbn:{OTHER}"


async def test_daia__a_library_has_every_trap_on_its_shelves(simulators: Simulators) -> None:
    library = simulators.libraries["library-2"]
    ids = "%7C".join(quote(f"isbn:{isbn}") for isbn in list(library.titles)[:20])
    loans = []
    for start in range(0, 400, 20):
        ids = "%7C".join(f"isbn:{isbn}" for isbn in list(library.titles)[start : start + 20])
        answer = read(await told(simulators, "GET", f"/library-2/daia?id={ids}&format=json"))
        loans += [item for document in answer["document"] for item in document["item"]]

    def has(item: dict[str, Any], kind: str) -> list[dict[str, Any]]:
        return [service for service in item[kind] if service["service"] == "loan"]

    assert any(has(item, "available") and has(item, "unavailable") for item in loans)
    assert any(service.get("expected") == "unknown" for item in loans for service in item["unavailable"])
    assert any("expected" not in service for item in loans for service in has(item, "unavailable"))
    assert any(service.get("queue", 0) > 0 for item in loans for service in item["unavailable"])
    assert any(service["service"] == "scan" for item in loans for service in item["available"])
    assert all(item["href"] == "" for item in loans)


async def test_stock__three_libraries__differ_and_stay(simulators: Simulators) -> None:
    again = Simulators()
    stocks = [library.titles for library in again.libraries.values()]

    assert [library.titles for library in Simulators().libraries.values()] == stocks
    assert len({frozenset(stock) for stock in stocks}) == 3
    assert all(600 < len(stock) < 949 for stock in stocks)


async def test_paia__log_in__only_as_documented(simulators: Simulators) -> None:
    wrong = await told(simulators, "POST", "/library-2/paia/auth/login", form={**ACCOUNT, "password": "x"})
    grant = await told(simulators, "POST", "/library-2/paia/auth/login", form={**ACCOUNT, "grant_type": "code"})
    right = await told(
        simulators, "POST", "/library-2/paia/auth/login", form={**ACCOUNT, "scope": "read_items nonsense"}
    )

    assert (wrong.status, read(wrong)["error"]) == (403, "access_denied")
    assert grant.status == 400
    assert read(right)["scope"] == "read_items"
    assert read(right)["patron"] == "51"
    assert read(right)["expires_in"] == 3600


async def test_paia__scopes__are_checked_in_two_ways(simulators: Simulators) -> None:
    plain = await signed_in(simulators, "library-2", scope=None)
    odd = await signed_in(simulators, "library-4", scope=None)

    honest = await told(simulators, "GET", "/library-2/paia/core/51/items", headers=plain)
    as_success = await told(simulators, "GET", "/library-4/paia/core/51/items", headers=odd)
    nobody = await told(simulators, "GET", "/library-4/paia/core/51/items")

    assert (honest.status, read(honest)["error"]) == (403, "insufficient_scope")
    assert (as_success.status, read(as_success)["code"]) == (200, 403)
    assert nobody.status == 401


async def test_paia__request__asks_for_a_place_and_takes_only_offered_ones(simulators: Simulators) -> None:
    headers = await signed_in(simulators, "library-4")
    edition = read(await told(simulators, "GET", f"/library-4/daia?id=urn:isbn:{OTHER}&format=json"))["document"][0][
        "id"
    ]

    async def requested(**more: Any) -> dict[str, Any]:
        body = {"doc": [{"edition": edition, **more}]}
        answer = await told(simulators, "POST", "/library-4/paia/core/51/request", body, headers=headers)
        document: dict[str, Any] = read(answer)["doc"][0]
        assert answer.status == 200
        return document

    asked = await requested()
    options = asked["condition"][STORAGE]["option"]
    wrong = await requested(confirm={STORAGE: ["http://elsewhere"]})
    assert asked["error"]
    assert wrong["error"]
    assert simulators.libraries["library-4"].holds == []

    placed = await requested(confirm={STORAGE: [options[1]["id"]]})
    twice = await requested(confirm={STORAGE: [options[1]["id"]]})

    assert placed["status"] == 2
    assert twice["error"] == "already requested"
    assert [hold.pickup for hold in simulators.libraries["library-4"].holds] == [options[1]["id"]]


@pytest.mark.parametrize(("library", "prefix", "end"), [("library-2", "isbn:", 10), ("library-4", "urn:isbn:", 0)])
async def test_paia__items__provided_ends_on_a_day_or_never(
    simulators: Simulators, library: str, prefix: str, end: int
) -> None:
    headers = await signed_in(simulators, library)
    simulated = simulators.libraries[library]
    hold = simulated.place(simulated.titles[OTHER])
    await told(simulators, "POST", f"/control/{library}/holds/{hold.number}", {"status": "ready"})

    document = read(await told(simulators, "GET", f"/{library}/paia/core/51/items", headers=headers))["doc"][0]

    assert document["status"] == 4
    assert len(document.get("endtime", "")) == end
    assert ("cancancel" in document) is (library == "library-2")


async def test_koha__without_credentials__only_public_items(simulators: Simulators) -> None:
    number = simulators.libraries["library-3"].titles[ISBN].number

    assert (await told(simulators, "GET", f"/library-3/api/v1/public/biblios/{number}/items")).status == 200
    assert (await told(simulators, "GET", f"/library-3/api/v1/biblios/{number}/items")).status == 401
    assert (await told(simulators, "GET", "/library-3/api/v1/biblios")).status == 401


async def test_koha__lists__come_in_pages_and_filtered(simulators: Simulators) -> None:
    query = quote(json.dumps({"isbn": {"-like": "%978%"}}))
    page = await told(simulators, "GET", f"/library-3/api/v1/biblios?_per_page=3&_page=2&q={query}", headers=BASIC)
    bad = await told(simulators, "GET", "/library-3/api/v1/biblios?q={", headers=BASIC)

    assert len(read(page)) == 3
    assert int(page.headers["X-Total-Count"]) > 3
    assert 'rel="next"' in page.headers["Link"]
    assert bad.status == 400


async def test_koha__isbns__are_raw_several_or_of_the_older_form(simulators: Simulators) -> None:
    rows = read(await told(simulators, "GET", "/library-3/api/v1/biblios?_per_page=100", headers=BASIC))

    assert any(" | " in row["isbn"] for row in rows)
    assert any("978" not in row["isbn"] for row in rows)


async def test_koha__hold__lives_and_dies(simulators: Simulators) -> None:
    number = simulators.libraries["library-3"].titles[OTHER].number
    wish = {"patron_id": 51, "pickup_library_id": "CPL", "biblio_id": number, "notes": "[reservation:1]"}
    holds = "/library-3/api/v1/holds"

    placed = await told(simulators, "POST", holds, wish, headers=BASIC)
    bad_place = await told(simulators, "POST", holds, {**wish, "pickup_library_id": "MOON"}, headers=BASIC)
    ref = read(placed)["hold_id"]
    await told(simulators, "POST", f"/control/library-3/holds/{ref}", {"status": "ready"})
    listed = read(await told(simulators, "GET", "/library-3/api/v1/patrons/51/holds", headers=BASIC))
    later = await told(
        simulators, "DELETE", f"{holds}/{ref}", headers={**BASIC, "x-koha-override": "cancellation-request-flow"}
    )
    gone = await told(simulators, "DELETE", f"{holds}/{ref}", headers=BASIC)
    again = await told(simulators, "DELETE", f"{holds}/{ref}", headers=BASIC)

    assert (placed.status, read(placed)["status"], read(placed)["item_id"]) == (201, None, None)
    assert bad_place.status == 400
    assert [(hold["status"], hold["notes"]) for hold in listed] == [("W", "[reservation:1]")]
    assert (later.status, gone.status, again.status) == (202, 204, 404)


async def test_koha__hold__refused_with_a_reason(simulators: Simulators) -> None:
    library = simulators.libraries["library-3"]
    library.max_holds = 0
    wish = {"patron_id": 51, "pickup_library_id": "CPL", "biblio_id": library.titles[OTHER].number}

    refused = await told(simulators, "POST", "/library-3/api/v1/holds", wish, headers=BASIC)

    assert refused.status == 403
    assert read(refused) == {"error": "Hold cannot be placed. Reason: tooManyReserves"}
    assert library.holds == []


async def test_koha__set_aside_copy__looks_free_until_holds_are_asked(simulators: Simulators) -> None:
    library = simulators.libraries["library-3"]
    library.place(library.titles[OTHER]).move(HoldStatus.READY, library.holds[-1].placed_at)
    number = library.titles[OTHER].number

    items = read(await told(simulators, "GET", f"/library-3/api/v1/biblios/{number}/items", headers=BASIC))
    query = quote(json.dumps({"biblio_id": number}))
    holds = read(await told(simulators, "GET", f"/library-3/api/v1/holds?q={query}", headers=BASIC))

    assert [item["checked_out_date"] for item in items] == [None]
    assert [hold["item_id"] for hold in holds] == [items[0]["item_id"]]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"latency_ms": 5}, 200),
        ({"outage": True}, 200),
        ({"malformed": "html", "only": "POST", "after": 1}, 200),
        ({"malformed": "cheese"}, 422),
        ({"latency_ms": -1}, 422),
        ({"color": "blue"}, 422),
        ([], 400),
    ],
)
async def test_control__mood__is_checked(simulators: Simulators, body: Any, status: int) -> None:
    before = simulators.libraries["library-2"].mood

    answer = await told(simulators, "PUT", "/control/library%202", body)

    assert answer.status == status
    assert (simulators.libraries["library-2"].mood == before) is (status != 200)


async def test_control__moods_and_counts__are_each_librarys_own(simulators: Simulators) -> None:
    await told(simulators, "PUT", "/control/library-2", {"error_rate": 0.5})
    query = f"id=isbn:{ISBN}&format=json"
    statuses = [(await told(simulators, "GET", f"/library-2/daia?{query}")).status for _ in range(10)]
    other = await told(simulators, "GET", f"/library-4/daia?id=urn:isbn:{ISBN}&format=json")

    requests = read(await told(simulators, "GET", "/control/library-2"))["requests"]
    assert sorted(statuses) == [200] * 5 + [500] * 5
    assert other.status == 200
    assert requests["by_operation"] == {"GET daia": 10}
    assert requests["by_isbn"] == {ISBN: 5}

    await told(simulators, "DELETE", "/control/library-2")
    assert read(await told(simulators, "GET", "/control/library-2"))["requests"]["total"] == 0


async def test_control__unknown_name__says_who_there_is(simulators: Simulators) -> None:
    answer = await told(simulators, "GET", "/control/library-9")

    assert answer.status == 404
    assert "library 4" in read(answer)["error"]
