"""What the protocols' documents show, and what was seen in the wild: scripted dialogues, word for word."""

import datetime as dt
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from bookwell.contracts.partners import HoldRequest, HoldState, HoldStatus, PartnerState
from bookwell.partners.adapters.daia.adapter import DaiaAdapter
from bookwell.partners.adapters.daia.options import DaiaOptions
from bookwell.partners.adapters.daia.paia import ref_of
from bookwell.partners.adapters.koha.adapter import KohaAdapter
from bookwell.partners.adapters.koha.options import KohaOptions
from bookwell.partners.adapters.protocol import Availability, Failure, PartnerFailed, PartnerRefused, Refusal

pytestmark = pytest.mark.anyio

ISBN = "9780439023481"
HOLD = HoldRequest(reference="reservation:17", isbn=ISBN)
STORAGE = "http://purl.org/ontology/paia#StorageCondition"
EDITION = "http://a/doc/1"
DOCUMENT = {"document": [{"id": EDITION, "requested": f"ppn:{ISBN}", "item": [{"available": [{"service": "loan"}]}]}]}
LOGIN = {"access_token": "t1", "patron": "8362432", "token_type": "Bearer", "scope": "read_items", "expires_in": 3600}

Told = tuple[int, Any] | tuple[int, Any, dict[str, str]]
Does = Callable[[Any], Awaitable[Availability | HoldState]]


@dataclass(slots=True)
class Partner:
    """Answers by method and path, each list of answers in turn, the last one for ever."""

    script: dict[str, list[Told]]
    requests: list[httpx2.Request] = field(default_factory=list)

    async def answer(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        self.requests.append(request)
        told = self.script[f"{request.method} {request.url.path}"]
        status, value, *more = told.pop(0) if len(told) > 1 else told[0]
        headers = {"Content-Type": "application/json", **(more[0] if more else {})}
        body = b"" if value is None else json.dumps(value).encode()
        return httpx2.Response(status, headers=headers, stream=httpx2.ByteStream(body))

    def sent(self, operation: str) -> list[Any]:
        method, path = operation.split(" ")
        return [
            json.loads(request.content)
            for request in self.requests
            if (request.method, request.url.path) == (method, path)
        ]


async def daia(partner: Partner, does: Does, **keys: Any) -> Any:
    account = {
        "paia_auth_url": "https://a/auth",
        "paia_core_url": "https://a/core",
        "paia_username": "u",
        "paia_password": "p",
    }
    options = DaiaOptions.model_validate({"url": "https://a/daia", "id_prefix": "ppn:", **account, **keys})
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(partner.answer)) as client:
        return await does(DaiaAdapter(options, client))


async def koha(partner: Partner, does: Does, **keys: Any) -> Any:
    usual = {"url": "https://a/api/v1", "username": "u", "password": "p", "patron_id": 51, "pickup_library_id": "CPL"}
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(partner.answer)) as client:
        return await does(KohaAdapter(KohaOptions.model_validate(usual | keys), client))


def paia(**script: list[Told]) -> Partner:
    """`items`, `request` and `cancel` of an account whose log-in and DAIA work."""
    verbs = {"items": "GET", "request": "POST", "cancel": "POST"}
    calls = {f"{verbs[name]} /core/8362432/{name}": told for name, told in script.items()}
    return Partner({"GET /daia": [(200, DOCUMENT)], "POST /auth/login": [(200, LOGIN)], **calls})


async def test_daia__ids__are_joined_by_a_quoted_bar() -> None:
    partner = Partner({"GET /daia": [(200, DOCUMENT, {"X-DAIA-Version": "1.0.0"})]})

    told = await daia(partner, lambda adapter: adapter.fetch_availability(ISBN))

    assert partner.requests[0].url.query == b"id=ppn%3A9780439023481%7Cppn%3A0439023483&format=json"
    assert told.state is PartnerState.AVAILABLE


async def test_daia__subset_and_link__is_read_on() -> None:
    link = {"Link": '<https://a/daia?id=ppn%3A0439023483&format=json>; rel="next"'}
    partner = Partner({"GET /daia": [(200, {"document": []}, link), (200, DOCUMENT)]})

    told = await daia(partner, lambda adapter: adapter.fetch_availability(ISBN))

    assert len(partner.requests) == 2
    assert told.state is PartnerState.AVAILABLE


async def test_daia__each_id_on_a_page_of_its_own__are_taken_together() -> None:
    lent = {"id": "http://a/doc/2", "requested": f"ppn:{ISBN}", "item": [{"unavailable": [{"service": "loan"}]}]}
    free = {
        **lent,
        "id": "http://a/doc/3",
        "requested": "ppn:0439023483",
        "item": [{"available": [{"service": "loan"}]}],
    }
    link = {"Link": '<https://a/daia?id=ppn%3A0439023483&format=json>; rel="next"'}
    partner = Partner({"GET /daia": [(200, {"document": [lent]}, link), (200, {"document": [lent, free]})]})

    told = await daia(partner, lambda adapter: adapter.fetch_availability(ISBN))

    assert (told.state, told.copies_available) == (PartnerState.AVAILABLE, 1)


@pytest.mark.parametrize("call", ["fetch_availability", "place_hold"])
async def test_daia__items_of_documents_that_nobody_asked_for__are_malformed(call: str) -> None:
    partner = Partner({"GET /daia": [(200, {"document": [{"id": EDITION, "item": [{"available": []}]}]})]})
    about = {"fetch_availability": ISBN, "place_hold": HOLD}[call]

    with pytest.raises(PartnerFailed) as failed:
        await daia(partner, lambda adapter: getattr(adapter, call)(about))

    assert failed.value.code is Failure.MALFORMED


async def test_daia__services_that_nobody_knows__are_malformed() -> None:
    document = {"id": EDITION, "requested": f"ppn:{ISBN}", "item": [{"available": [{"service": "teleported"}]}]}
    partner = Partner({"GET /daia": [(200, {"document": [document]})]})

    with pytest.raises(PartnerFailed) as failed:
        await daia(partner, lambda adapter: adapter.fetch_availability(ISBN))

    assert failed.value.code is Failure.MALFORMED


async def test_daia__link_for_ever__ends() -> None:
    partner = Partner({"GET /daia": [(200, {"document": []}, {"Link": '<?id=x&format=json>; rel="next"'})]})

    told = await daia(partner, lambda adapter: adapter.fetch_availability(ISBN))

    assert len(partner.requests) == 5
    assert told.state is PartnerState.UNAVAILABLE


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (422, "invalid_request", Failure.REJECTED),
        (401, "invalid_grant", Failure.UNAUTHORIZED),
        (403, "insufficient_scope", Failure.UNAUTHORIZED),
        (500, "internal_error", Failure.SERVER_ERROR),
        (503, "service_unavailable", Failure.UNAVAILABLE),
    ],
)
async def test_daia__error__is_told_by_kind(status: int, error: str, code: Failure) -> None:
    partner = Partner({"GET /daia": [(status, {"error": error, "code": status})]})

    with pytest.raises(PartnerFailed) as failed:
        await daia(partner, lambda adapter: adapter.fetch_availability(ISBN))

    assert failed.value.code is code


async def test_paia__place__storage_condition__is_confirmed() -> None:
    option = [{"id": "http://a/desk", "about": "Desk"}, {"id": "http://a/north", "about": "North", "amount": "1 EUR"}]
    condition = {STORAGE: {"option": option, "default": ["http://a/north"], "multiple": False}}
    asked: Told = (200, {"doc": [{"edition": EDITION, "status": 0, "error": "choose", "condition": condition}]})
    placed: Told = (200, {"doc": [{"edition": EDITION, "status": 2}]})

    for keys, place in (({}, "http://a/north"), ({"pickup": "http://a/desk"}, "http://a/desk")):
        partner = paia(items=[(200, {"doc": []})], request=[asked, placed])
        state = await daia(partner, lambda adapter: adapter.place_hold(HOLD), **keys)
        assert state.state is HoldStatus.ACCEPTED
        assert partner.sent("POST /core/8362432/request") == [
            {"doc": [{"edition": EDITION}]},
            {"doc": [{"edition": EDITION, "confirm": {STORAGE: [place]}}]},
        ]


@pytest.mark.parametrize(
    "condition",
    [
        {"http://purl.org/ontology/paia#FeeCondition": {"option": [{"id": "http://a/fee", "amount": "5 EUR"}]}},
        {STORAGE: {"option": []}},
        {STORAGE: {"option": [{"id": "http://a/desk"}]}, "http://a/other": {"option": [{"id": "x"}]}},
    ],
)
async def test_paia__place__other_conditions__nobody_agrees(condition: dict[str, Any]) -> None:
    asked: Told = (200, {"doc": [{"edition": EDITION, "status": 0, "condition": condition}]})
    partner = paia(items=[(200, {"doc": []})], request=[asked])

    with pytest.raises(PartnerRefused):
        await daia(partner, lambda adapter: adapter.place_hold(HOLD))

    assert len(partner.sent("POST /core/8362432/request")) == 1


@pytest.mark.parametrize("status", [{"status": 0}, {}])
async def test_paia__place__document_error_with_200__is_refused(status: dict[str, int]) -> None:
    answer: Told = (200, {"doc": [{"edition": EDITION, "error": "nicht\nbestellbar", **status}]})
    partner = paia(items=[(200, {"doc": []})], request=[answer])

    with pytest.raises(PartnerRefused) as refused:
        await daia(partner, lambda adapter: adapter.place_hold(HOLD))

    assert (refused.value.code, refused.value.detail) == (Refusal.REFUSED, "nicht bestellbar")


async def test_paia__place__a_name_that_nobody_could_keep__is_not_asked_for() -> None:
    partner = paia(items=[(200, {"doc": []})])
    named = {"document": [{**DOCUMENT["document"][0], "id": "http://a/" + "ż" * 250}]}
    partner.script["GET /daia"] = [(200, named)]

    with pytest.raises(PartnerRefused) as refused:
        await daia(partner, lambda adapter: adapter.place_hold(HOLD))

    assert refused.value.code is Refusal.REFUSED
    assert partner.sent("POST /core/8362432/request") == []


async def test_paia__place__refused_because_an_earlier_attempt_arrived__is_that_hold() -> None:
    listed: list[Told] = [(200, {"doc": []}), (200, {"doc": [{"status": 1, "edition": EDITION, "queue": 2}]})]
    answer: Told = (200, {"doc": [{"edition": EDITION, "status": 0, "error": "already requested"}]})

    state = await daia(paia(items=listed, request=[answer]), lambda adapter: adapter.place_hold(HOLD))

    assert state.state is HoldStatus.ACCEPTED


@pytest.mark.parametrize(
    "denied",
    [
        (200, {"error": "insufficient_scope", "code": 403}),
        (200, {"error": "insufficient_scope", "code": "403"}),
        (200, {"error": "invalid_grant"}),
        (401, {"error": "invalid_grant"}),
    ],
)
async def test_paia__denied__logs_in_again_once(denied: Told) -> None:
    partner = paia(items=[denied, (200, {"doc": []})])
    await daia(partner, lambda adapter: adapter.find_hold("x"))
    hopeless = paia(items=[denied])

    with pytest.raises(PartnerFailed) as failed:
        await daia(hopeless, lambda adapter: adapter.find_hold("x"))

    assert failed.value.code is Failure.UNAUTHORIZED
    for one in (partner, hopeless):
        logins = [request for request in one.requests if request.url.path == "/auth/login"]
        assert len(logins) == 2
        assert b"grant_type=password" in logins[0].content
        assert b"scope=read_items+write_items" in logins[0].content


async def test_paia__wrong_password__fails() -> None:
    partner = paia(items=[(200, {"doc": []})])
    partner.script["POST /auth/login"] = [(403, {"error": "access_denied", "code": 403})]

    with pytest.raises(PartnerFailed) as failed:
        await daia(partner, lambda adapter: adapter.find_hold("x"))

    assert failed.value.code is Failure.UNAUTHORIZED


@pytest.mark.parametrize(
    ("document", "state", "deadline", "due"),
    [
        ({"status": 0}, HoldStatus.CANCELLED, None, None),
        ({"status": 1, "queue": 3, "endtime": "2026-12-01"}, HoldStatus.ACCEPTED, None, None),
        ({"status": 2}, HoldStatus.ACCEPTED, None, None),
        ({"status": 3, "endtime": "2026-12-01T12:00:00+01:00"}, HoldStatus.BORROWED, None, "2026-12-01T11:00Z"),
        ({"status": 4, "endtime": "2026-12-01"}, HoldStatus.READY, "2026-12-01T23:59:59Z", None),
        ({"status": 4}, HoldStatus.READY, None, None),
        ({"status": 4, "endtime": ""}, HoldStatus.READY, None, None),
        ({"status": 5, "error": ""}, HoldStatus.REFUSED, None, None),
    ],
)
async def test_paia__items__every_status(
    document: dict[str, Any], state: HoldStatus, deadline: str | None, due: str | None
) -> None:
    listed = {"doc": [{"edition": "http://a/other", "status": 4}, {"edition": EDITION, "label": "X", **document}]}
    placed: Told = (200, {"doc": [{"edition": EDITION, "status": 2}]})
    partner = paia(items=[(200, {"doc": []}), (200, listed)], request=[placed])

    async def place_and_find(adapter: DaiaAdapter) -> HoldState:
        return await adapter.find_hold((await adapter.place_hold(HOLD)).ref)

    found = await daia(partner, place_and_find)

    told = [at and dt.datetime.fromisoformat(at) for at in (deadline, due)]
    assert (found.state, found.pickup_deadline_at, found.due_at) == (state, *told)
    assert (found.pickup_deadline_on, found.due_on) == (deadline and dt.date(2026, 12, 1), None)


@pytest.mark.parametrize("listed", [{}, {"doc": None}, {"doc": ""}, {"doc": {}}])
async def test_paia__no_list_at_all__says_nothing_of_a_hold(listed: dict[str, Any]) -> None:
    with pytest.raises(PartnerFailed) as failed:
        await daia(paia(items=[(200, listed)]), lambda adapter: adapter.find_hold(ref_of(EDITION)))

    assert failed.value.code is Failure.MALFORMED


async def test_paia__cancel__refused_with_200__is_refused() -> None:
    listed: Told = (200, {"doc": [{"edition": EDITION, "item": "http://a/item/1", "status": 4}]})
    answer: Told = (200, {"doc": [{"edition": EDITION, "error": "on the shelf"}]})
    partner = paia(items=[listed], cancel=[answer])

    async def place_and_cancel(adapter: DaiaAdapter) -> HoldState:
        return await adapter.cancel_hold((await adapter.place_hold(HOLD)).ref)

    with pytest.raises(PartnerRefused) as refused:
        await daia(partner, place_and_cancel)

    assert refused.value.detail == "on the shelf"


@pytest.mark.parametrize("error", [None, "there is no such request"])
async def test_paia__cancel__a_first_attempt_was_worked_off_late__both_are_cancelled(error: str | None) -> None:
    listed: Told = (200, {"doc": [{"edition": EDITION, "status": status} for status in (1, 5, 2)]})
    answers: list[Told] = [(200, {"doc": [{"edition": EDITION, "status": 0, "error": told}]}) for told in (None, error)]
    partner = paia(items=[listed], cancel=answers)

    state = await daia(partner, lambda adapter: adapter.cancel_hold(ref_of(EDITION)))

    assert state.state is HoldStatus.CANCELLED
    assert partner.sent("POST /core/8362432/cancel") == [{"doc": [{"edition": EDITION}]}] * 2


def koha_script(**script: list[Told]) -> Partner:
    biblio = {"biblio_id": 5, "title": "The Hunger Games", "isbn": "0439023483 | 9780439023481"}
    return Partner(
        {
            "GET /api/v1/biblios": [(200, [biblio])],
            "GET /api/v1/biblios/5/items": script.get("items", [(200, [])]),
            "GET /api/v1/holds": script.get("holds", [(200, [])]),
            "GET /api/v1/patrons/51/holds": script.get("ours", [(200, [])]),
            "GET /api/v1/checkouts": script.get("loans", [(200, [])]),
            "POST /api/v1/holds": script.get("place", []),
            "DELETE /api/v1/holds/9": script.get("delete", []),
            "DELETE /api/v1/holds/10": script.get("delete", []),
        }
    )


async def test_koha__find__asks_with_a_filter_and_basic() -> None:
    partner = koha_script()

    await koha(partner, lambda adapter: adapter.fetch_availability(ISBN))

    first = partner.requests[0]
    assert json.loads(first.url.params["q"]) == {"isbn": {"-like": f"%{ISBN}%"}}
    assert first.headers["authorization"] == "Basic dTpw"
    assert first.headers["accept"] == "application/json"


@pytest.mark.parametrize("raw", ["978-0-439-02348-1 (pbk.)", "0-439-02348-3 :"])
async def test_koha__isbn_typed_with_hyphens__is_found(raw: str) -> None:
    typed = {"biblio_id": 5, "title": "The Hunger Games", "isbn": raw}
    another = {"biblio_id": 6, "title": "Another", "isbn": "0-439-02348-1, misprinted"}
    partner = koha_script(items=[(200, [{"item_id": 1}])])
    partner.script["GET /api/v1/biblios"] = [(200, []), (200, []), (200, [another, typed])]

    told = await koha(partner, lambda adapter: adapter.fetch_availability(ISBN))

    assert (told.state, told.copies_available) == (PartnerState.AVAILABLE, 1)
    asked = [request.url.params["q"] for request in partner.requests if request.url.path.endswith("/biblios")]
    assert [json.loads(query)["isbn"]["-like"] for query in asked] == [f"%{ISBN}%", "%0439023483%", "%0-439-02348%"]


async def test_koha__checked_out_date__is_a_due_date() -> None:
    row = {"item_id": 1, "external_id": "39", "checked_out_date": "2099-12-01", "restricted_status": None}

    told = await koha(koha_script(items=[(200, [row])]), lambda adapter: adapter.fetch_availability(ISBN))

    assert (told.state, told.expected) == (PartnerState.UNAVAILABLE, dt.date(2099, 12, 1))


async def test_koha__place__sends_our_reference_in_the_notes() -> None:
    placed: Told = (201, {"hold_id": 9, "patron_id": 51, "biblio_id": 5, "status": None, "suspended": False})
    partner = koha_script(place=[placed])

    state = await koha(partner, lambda adapter: adapter.place_hold(HOLD))

    assert state == HoldState(ref="reservation:17", state=HoldStatus.ACCEPTED)
    assert partner.sent("POST /api/v1/holds") == [
        {"patron_id": 51, "pickup_library_id": "CPL", "biblio_id": 5, "notes": "[reservation:17]"}
    ]


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (403, "Hold cannot be placed. Reason: tooManyReserves", Refusal.LIMIT_REACHED),
        (403, "Hold cannot be placed. Reason: ageRestricted", Refusal.REFUSED),
        (400, "The supplied pickup location is not valid", Refusal.BAD_PICKUP),
        (404, "biblio_id not found.", Refusal.NOT_HELD),
    ],
)
async def test_koha__place__refused__is_told_by_kind(status: int, error: str, code: Refusal) -> None:
    partner = koha_script(place=[(status, {"error": error})])

    with pytest.raises(PartnerRefused) as refused:
        await koha(partner, lambda adapter: adapter.place_hold(HOLD))

    assert refused.value.code is code


@pytest.mark.parametrize(
    ("status", "error"),
    [(403, "Authorization failure. Missing required permission(s)."), (400, "Malformed"), (401, "x")],
)
async def test_koha__place__a_matter_between_libraries__is_a_failure(status: int, error: str) -> None:
    with pytest.raises(PartnerFailed) as failed:
        await koha(koha_script(place=[(status, {"error": error})]), lambda adapter: adapter.place_hold(HOLD))

    assert not failed.value.is_partner_down


async def test_koha__two_holds_of_one_reference__the_younger_is_deleted() -> None:
    rows = [{"hold_id": number, "biblio_id": 5, "notes": "[reservation:17] please"} for number in (10, 9)]
    partner = koha_script(ours=[(200, rows)], delete=[(204, None)])

    state = await koha(partner, lambda adapter: adapter.find_hold("reservation:17"))

    assert state.state is HoldStatus.ACCEPTED
    assert [request.url.path for request in partner.requests if request.method == "DELETE"] == ["/api/v1/holds/10"]


LENT = {"hold_id": 9, "biblio_id": 5, "item_id": 7, "status": "F", "notes": "[reservation:17]"}


async def test_koha__hold_became_a_loan__old_holds_and_loans_tell() -> None:
    loan = {"checkout_id": 3, "patron_id": 51, "item_id": 7, "due_date": "2099-12-01T23:59:00+01:00"}
    other = loan | {"checkout_id": 2, "item_id": 6, "due_date": "2099-01-01T00:00:00Z"}
    partner = koha_script(ours=[(200, []), (200, [LENT])], loans=[(200, [other, loan])])

    state = await koha(partner, lambda adapter: adapter.find_hold("reservation:17"))

    due = dt.datetime(2099, 12, 1, 22, 59, tzinfo=dt.UTC)
    assert state == HoldState(ref="reservation:17", state=HoldStatus.BORROWED, due_at=due)
    _, old, loans = partner.requests
    assert (old.url.params["old"], loans.url.params["patron_id"]) == ("true", "51")
    assert json.loads(loans.url.params["q"]) == {"item_id": 7}


@pytest.mark.parametrize("loans", [(200, []), (403, {"error": "Authorization failure."})])
async def test_koha__hold_became_a_loan_that_is_not_listed__is_over(loans: Told) -> None:
    partner = koha_script(ours=[(200, []), (200, [LENT])], loans=[loans])

    state = await koha(partner, lambda adapter: adapter.find_hold("reservation:17"))

    assert state.state is HoldStatus.RETURNED


@pytest.mark.parametrize(
    "old",
    [
        (400, {"error": "Malformed query string"}),
        (200, [LENT | {"notes": "[reservation:170]"}]),
    ],
)
async def test_koha__no_old_hold_that_was_lent__is_unknown(old: Told) -> None:
    partner = koha_script(ours=[(200, []), old])

    state = await koha(partner, lambda adapter: adapter.find_hold("reservation:17"))

    assert state.state is HoldStatus.UNKNOWN


@pytest.mark.parametrize("status", [None, "W", "T"])
async def test_koha__hold_was_cancelled_there__old_holds_tell(status: str | None) -> None:
    ended = LENT | {"cancellation_date": "2026-11-01", "status": status}
    partner = koha_script(ours=[(200, []), (200, [ended])])

    state = await koha(partner, lambda adapter: adapter.find_hold("reservation:17"))

    assert state == HoldState(ref="reservation:17", state=HoldStatus.CANCELLED)


async def test_koha__one_hold_was_cancelled_and_one_lent__is_the_loan() -> None:
    ended = LENT | {"hold_id": 10, "cancellation_date": "2026-11-01", "status": None}
    partner = koha_script(ours=[(200, []), (200, [ended, LENT])])

    state = await koha(partner, lambda adapter: adapter.find_hold("reservation:17"))

    assert state.state is HoldStatus.RETURNED


async def test_koha__place__earlier_attempt_was_cancelled_there__is_placed_anew() -> None:
    ended = LENT | {"cancellation_date": "2026-11-01", "status": None}
    placed: Told = (201, {"hold_id": 10, "patron_id": 51, "biblio_id": 5, "status": None})
    partner = koha_script(ours=[(200, []), (200, [ended])], place=[placed])

    state = await koha(partner, lambda adapter: adapter.place_hold(HOLD))

    assert state.state is HoldStatus.ACCEPTED
    assert len(partner.sent("POST /api/v1/holds")) == 1


async def test_koha__place__refused_because_an_earlier_attempt_arrived__is_that_hold() -> None:
    arrived = {"hold_id": 9, "biblio_id": 5, "notes": "[reservation:17]"}
    refusal: Told = (403, {"error": "Hold cannot be placed. Reason: tooManyHoldsForThisRecord"})
    partner = koha_script(ours=[(200, []), (200, []), (200, [arrived])], place=[refusal])

    state = await koha(partner, lambda adapter: adapter.place_hold(HOLD))

    assert state == HoldState(ref="reservation:17", state=HoldStatus.ACCEPTED)


async def test_koha__loans_cannot_be_read_now__is_a_failure() -> None:
    partner = koha_script(ours=[(200, []), (200, [LENT])], loans=[(500, {"error": "x"})])

    with pytest.raises(PartnerFailed):
        await koha(partner, lambda adapter: adapter.find_hold("reservation:17"))


@pytest.mark.parametrize(("status", "body"), [(204, None), (404, {"error": "Hold not found"}), (202, None)])
async def test_koha__cancel__deleted_or_gone__is_cancelled(status: int, body: Any) -> None:
    rows = [{"hold_id": 9, "biblio_id": 5, "notes": "[reservation:17]"}]
    partner = koha_script(ours=[(200, rows)], delete=[(status, body)])

    state = await koha(partner, lambda adapter: adapter.cancel_hold("reservation:17"))

    assert state.state is HoldStatus.CANCELLED


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("Authorization failure. Missing required permission(s).", PartnerFailed),
        ("Cancellation not allowed", PartnerRefused),
    ],
)
async def test_koha__cancel__not_allowed__is_final_only_if_it_is_about_the_hold(
    error: str, expected: type[Exception]
) -> None:
    rows = [{"hold_id": 9, "biblio_id": 5, "notes": "[reservation:17]"}]
    partner = koha_script(ours=[(200, rows)], delete=[(403, {"error": error})])

    with pytest.raises(expected):
        await koha(partner, lambda adapter: adapter.cancel_hold("reservation:17"))


async def test_koha__long_list__is_read_page_by_page() -> None:
    rows = [{"hold_id": number, "biblio_id": 5, "item_id": number, "status": "W"} for number in range(1, 101)]
    items = [{"item_id": number} for number in (50, 101, 102)]
    partner = koha_script(items=[(200, items)], holds=[(200, rows), (200, [{"hold_id": 101, "biblio_id": 5}])])

    told = await koha(partner, lambda adapter: adapter.fetch_availability(ISBN))

    pages = [request.url.params["_page"] for request in partner.requests if request.url.path == "/api/v1/holds"]
    assert pages == ["1", "2"]
    assert told.copies_available == 1


async def test_koha__small_pages_and_a_total__is_read_to_the_end() -> None:
    total = {"X-Total-Count": "2"}
    pages: list[Told] = [(200, [{"item_id": 1}], total), (200, [{"item_id": 2}], total)]

    told = await koha(koha_script(items=pages), lambda adapter: adapter.fetch_availability(ISBN))

    assert told.copies_available == 2


@pytest.mark.parametrize(
    "call",
    [
        lambda adapter: adapter.place_hold(HOLD),
        lambda adapter: adapter.find_hold("reservation:1"),
        lambda adapter: adapter.cancel_hold("reservation:1"),
    ],
)
async def test_holds__no_account__are_refused(call: Does) -> None:
    nobody = Partner({})
    without = dict.fromkeys(("paia_auth_url", "paia_core_url", "paia_username", "paia_password"))

    for asking in (daia(nobody, call, **without), koha(nobody, call, patron_id=None, pickup_library_id=None)):
        with pytest.raises(PartnerRefused) as refused:
            await asking
        assert refused.value.code is Refusal.HOLDS_UNSUPPORTED

    assert nobody.requests == []
