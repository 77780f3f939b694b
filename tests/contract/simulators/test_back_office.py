"""The simulated back office: believes signed events alone, keeps their order, and decides as it is told to feel."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bookwell.contracts.backoffice import BookingEvent, DecisionRequest
from bookwell.kit import clock, ids
from bookwell.kit.webhooks import SignatureInvalid, WebhookSecret, sign, verify
from bookwell.simulators.app import Simulators
from bookwell.simulators.back_office import BackOffice, BackOfficeSettings
from bookwell.simulators.back_office.courier import Courier
from bookwell.simulators.back_office.ledger import Order
from bookwell.simulators.back_office.moods import BackOfficeMood
from bookwell.simulators.http import Answer, Delivery, Request

pytestmark = pytest.mark.anyio

EVENTS = "whsec_" + "RXZlbnRzIGFyZSBzaWduZWQgd2l0aCB0aGlz"
DECISIONS = "whsec_" + "RGVjaXNpb25zIGFyZSBzaWduZWQgd2l0aCBp"
REFUSED = ConnectionRefusedError()


@dataclass(slots=True)
class Tables:
    """Stands for the tables service: keeps what it gets and gives the next of `answers`, then 200."""

    answers: list[tuple[int, bytes] | OSError] = field(default_factory=list)
    got: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        self.got.append((url, headers, body))
        answer = self.answers.pop(0) if self.answers else (200, b"{}")
        if isinstance(answer, OSError):
            raise answer
        return answer

    @property
    def decisions(self) -> list[tuple[int, str, int]]:
        """(booking, decision, version), in the order they came."""
        requests = [DecisionRequest.model_validate_json(body) for _, _, body in self.got]
        return [(request.booking_id, request.decision, request.version) for request in requests]

    def ids(self) -> list[str]:
        """Of what came, when all of it is signed well."""
        secrets = [WebhookSecret.parse(DECISIONS)]
        return [verify(headers, body, secrets=secrets, now=clock.now()) for _, headers, body in self.got]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def tables() -> Tables:
    return Tables()


@pytest.fixture
def simulators(tables: Tables) -> Simulators:
    settings = BackOfficeSettings(
        tables_url="http://tables.example/", webhook_secrets=EVENTS, decision_secret=DECISIONS
    )
    office = BackOffice(settings, send=tables)
    return Simulators(back_office=office)


def an_event(booking_id: int = 7, *, version: int = 1, state: str = "requested", **values: Any) -> bytes:
    data = {
        "booking_id": booking_id,
        "version": version,
        "state": state,
        "table": {"id": 3, "name": "Window", "table_type": "regular", "seats": 4},
        "starts_at": "2030-05-07T16:00:00Z",
        "ends_at": "2030-05-07T17:30:00Z",
        "time_zone": "Europe/Warsaw",
        "party_size": 2,
        "name": "Ada",
        "email": "ada@example.org",
        "phone": "",
        "comment": "",
        "price": 25.0,
        "decide_by": "2030-05-06T14:00:00Z",
        "slot_taken": False,
        "reason": "",
        "by": "guest",
        **values,
    }
    return json.dumps({"type": f"booking.{state}", "timestamp": "2030-05-06T10:00:00Z", "data": data}).encode()


async def tell(simulators: Simulators, body: bytes, *, webhook_id: str = "", secret: str = EVENTS) -> Answer:
    parsed = [WebhookSecret.parse(secret)]
    headers = sign(parsed, message_id=webhook_id or ids.new_id(), sent_at=clock.now(), body=body)
    return await simulators(Request("POST", "/backoffice/hooks", "", headers, body))


async def ask(simulators: Simulators, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await simulators(Request(method, path, "", named, content))


async def feel(simulators: Simulators, **mood: Any) -> None:
    assert (await ask(simulators, "PUT", "/control/backoffice", mood)).status == 200


def shown(answer: Answer) -> Any:
    return json.loads(answer.body)


async def test_hooks__a_signed_event__is_kept(simulators: Simulators) -> None:
    answer = await tell(simulators, an_event())

    assert (answer.status, shown(answer)) == (200, {"taken": "new"})
    (order,) = shown(await ask(simulators, "GET", "/backoffice/orders"))["orders"]
    assert (order["booking_id"], order["version"], order["state"], order["sent"]) == (7, 1, "requested", [])
    assert shown(await ask(simulators, "GET", "/backoffice/orders/7")) == order
    assert (await ask(simulators, "GET", "/backoffice/orders/8")).status == 404


async def test_hooks__what_comes_again_or_late__changes_nothing(simulators: Simulators) -> None:
    await tell(simulators, an_event(version=2, state="confirmed"), webhook_id="two")

    again = await tell(simulators, an_event(version=2, state="confirmed"), webhook_id="two")
    late = await tell(simulators, an_event(version=1))

    assert [shown(answer)["taken"] for answer in (again, late)] == ["repeated", "outdated"]
    assert shown(await ask(simulators, "GET", "/backoffice/orders/7"))["state"] == "confirmed"
    counts = shown(await ask(simulators, "GET", "/control/backoffice"))["events"]
    assert counts == {"received": 3, "new": 1, "repeated": 1, "outdated": 1}


async def test_hooks__a_wrong_signature_or_body__is_refused(simulators: Simulators) -> None:
    forged = await tell(simulators, an_event(), secret=DECISIONS)
    odd = await tell(simulators, b'{"type": "booking.requested"}')
    unsigned = await ask(simulators, "POST", "/backoffice/hooks", an_event())

    assert [answer.status for answer in (forged, odd, unsigned)] == [401, 422, 401]
    assert shown(await ask(simulators, "GET", "/backoffice/orders"))["orders"] == []


@pytest.mark.parametrize(
    ("outage", "status", "delivery"),
    [
        (True, 500, Delivery.WHOLE),
        ("unavailable", 503, Delivery.WHOLE),
        ("busy", 429, Delivery.WHOLE),
        ("gone", 410, Delivery.WHOLE),
        ("redirect", 307, Delivery.WHOLE),
        ("hang", 503, Delivery.NEVER),
        ("refuse", 503, Delivery.CUT),
    ],
)
async def test_hooks__an_outage__keeps_nothing(
    simulators: Simulators, outage: bool | str, status: int, delivery: Delivery
) -> None:
    await feel(simulators, outage=outage, retry_after=17)

    answer = await tell(simulators, an_event())

    assert (answer.status, answer.delivery) == (status, delivery)
    assert (answer.headers.get("Retry-After") == "17") is (outage in {"busy", "unavailable"})
    assert shown(await ask(simulators, "GET", "/backoffice/orders"))["orders"] == []


@pytest.mark.parametrize("decision", ["confirm", "decline"])
async def test_decide__sends_the_version_that_the_employee_saw(
    simulators: Simulators, tables: Tables, decision: str
) -> None:
    await tell(simulators, an_event(version=3))

    answer = await ask(simulators, "POST", f"/backoffice/orders/7/{decision}", {"reason": "a feast"})

    ((url, _, body),) = tables.got
    assert url == "http://tables.example/api/backoffice/decisions"
    assert json.loads(body) == {
        "booking_id": 7,
        "decision": decision,
        "version": 3,
        "reason": "a feast",
        "backoffice_ref": "SIM-7",
    }
    assert len(tables.ids()) == 1
    (sent,) = shown(answer)["sent"]
    assert (sent["decision"], sent["status"], sent["attempts"]) == (decision, 200, 1)


async def test_decide__a_refusal__is_shown_and_final(simulators: Simulators, tables: Tables) -> None:
    tables.answers = [(409, b'{"code": "booking.expired"}')]
    await tell(simulators, an_event())

    answer = await ask(simulators, "POST", "/backoffice/orders/7/confirm")
    await simulators.back_office.courier.finish()

    assert [(s["status"], s["code"]) for s in shown(answer)["sent"]] == [(409, "booking.expired")]
    assert len(tables.got) == 1


async def test_bring__nobody_answers__tries_again_under_the_same_id_in_order() -> None:
    tables = Tables([REFUSED, (500, b""), (429, b""), (200, b"{}")])
    courier = Courier("http://t", [WebhookSecret.parse(DECISIONS)], post=tables, gaps=(0, 0, 0, 0))
    order = _order()

    await courier.bring(order, "confirm", reason="", mood=BackOfficeMood(contradictory=True))
    await courier.finish()

    assert [decision for _, decision, _ in tables.decisions] == ["confirm"] * 4 + ["decline"]
    first, *_, last = tables.ids()
    assert tables.ids() == [first] * 4 + [last]
    assert [(sent.attempts, sent.status) for sent in order.sent] == [(4, 200), (1, 200)]


async def test_bring__nobody_ever_answers__gives_up(simulators: Simulators) -> None:
    tables = Tables([REFUSED] * 9)
    courier = Courier("http://t", [WebhookSecret.parse(DECISIONS)], post=tables, gaps=(0, 0))
    order = _order()

    await courier.bring(order, "confirm", reason="", mood=BackOfficeMood())
    await courier.finish()

    assert [(sent.attempts, sent.status, sent.code) for sent in order.sent] == [(3, 0, "ConnectionRefusedError")]


@pytest.mark.parametrize(("kind", "different"), [(True, 1), ("same_id", 1), ("new_id", 2)])
async def test_duplicates__every_decision_goes_twice(
    simulators: Simulators, tables: Tables, kind: bool | str, different: int
) -> None:
    await tell(simulators, an_event())
    await feel(simulators, duplicates=kind)

    await ask(simulators, "POST", "/backoffice/orders/7/confirm")

    assert tables.decisions == [(7, "confirm", 1)] * 2
    assert len(set(tables.ids())) == different


async def test_contradictory__a_decision_is_followed_by_its_opposite(simulators: Simulators, tables: Tables) -> None:
    await tell(simulators, an_event())
    await feel(simulators, contradictory=True)

    await ask(simulators, "POST", "/backoffice/orders/7/decline")

    assert tables.decisions == [(7, "decline", 1), (7, "confirm", 1)]
    assert len(set(tables.ids())) == 2


async def test_late__a_decision_goes_later_about_what_the_employee_saw(simulators: Simulators, tables: Tables) -> None:
    await tell(simulators, an_event())
    await feel(simulators, late_seconds=0.05)

    await ask(simulators, "POST", "/backoffice/orders/7/confirm")
    await tell(simulators, an_event(version=2))
    before = len(tables.got)
    await simulators.back_office.courier.finish()

    assert before == 0
    assert tables.decisions == [(7, "confirm", 1)]


@pytest.mark.parametrize("mood", [{"wrong_signature": True}, {"timestamp_seconds": -360}])
async def test_moods__what_is_signed_wrongly_or_long_ago__is_not_believed(
    simulators: Simulators, tables: Tables, mood: dict[str, Any]
) -> None:
    await tell(simulators, an_event())
    await feel(simulators, **mood)

    await ask(simulators, "POST", "/backoffice/orders/7/confirm")

    assert len(tables.got) == 1
    with pytest.raises(SignatureInvalid):
        tables.ids()


async def test_page__shows_orders_without_scripts_and_escapes_what_guests_wrote(simulators: Simulators) -> None:
    await tell(simulators, an_event(name="<script>alert(1)</script>", comment='" onload="x'))
    await tell(simulators, an_event(8, version=2, state="confirmed"))
    await feel(simulators, outage=True)

    answer = await ask(simulators, "GET", "/backoffice")

    page = answer.body.decode()
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "<script" not in page
    assert 'onload="x' not in page
    assert "Waiting for a decision: 1" in page
    assert "2030-05-07 18:00 to 19:30, Europe/Warsaw" in page
    assert "Switched on: outage error" in page
    labels = re.findall(r'<label for="([^"]+)"', page)
    assert labels == re.findall(r'<input id="([^"]+)"', page) == ["reason-7", "reason-8"]
    assert (await ask(simulators, "GET", "/backoffice/style.css")).headers["Content-Type"].startswith("text/css")


async def test_page__its_form__decides_and_leads_back(simulators: Simulators, tables: Tables) -> None:
    await tell(simulators, an_event())
    form = {"content_type": "application/x-www-form-urlencoded", "sec_fetch_site": "same-origin"}

    answer = await ask(simulators, "POST", "/backoffice/orders/7/decline", b"reason=a+feast", **form)

    assert (answer.status, answer.headers["Location"]) == (303, "/backoffice")
    assert tables.decisions == [(7, "decline", 1)]
    assert json.loads(tables.got[0][2])["reason"] == "a feast"


async def test_page__a_form_of_another_site__is_refused(simulators: Simulators, tables: Tables) -> None:
    await tell(simulators, an_event())

    answer = await ask(simulators, "POST", "/backoffice/orders/7/confirm", b"", sec_fetch_site="cross-site")

    assert answer.status == 403
    assert tables.got == []


async def test_control__delete__forgets_everything(simulators: Simulators) -> None:
    await tell(simulators, an_event())
    await feel(simulators, contradictory=True)

    answer = await ask(simulators, "DELETE", "/control/backoffice")

    assert shown(answer)["contradictory"] is False
    assert (shown(answer)["orders"], shown(answer)["events"]) == (0, {})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PATCH", "/backoffice", 405),
        ("PATCH", "/control/backoffice", 405),
        ("GET", "/backoffice/elsewhere", 404),
        ("POST", "/backoffice/orders/x/confirm", 404),
        ("POST", "/backoffice/orders/7/shrug", 404),
    ],
)
async def test_other_requests__are_refused(simulators: Simulators, method: str, path: str, status: int) -> None:
    assert (await ask(simulators, method, path)).status == status


async def test_control__an_unknown_switch__is_refused(simulators: Simulators) -> None:
    assert (await ask(simulators, "PUT", "/control/backoffice", {"mood": "bad"})).status == 422
    assert (await ask(simulators, "PUT", "/control/backoffice", b"[]")).status == 400


def _order() -> Order:
    event = BookingEvent.model_validate(json.loads(an_event())["data"])
    return Order(event, "booking.requested", clock.now())


def an_office(file: Path, tables: Tables) -> Simulators:
    settings = BackOfficeSettings(webhook_secrets=EVENTS, decision_secret=DECISIONS, file=file)
    return Simulators(back_office=BackOffice(settings, send=tables))


async def test_restart__with_a_file__the_office_knows_what_it_knew(tmp_path: Path, tables: Tables) -> None:
    file = tmp_path / "data" / "office.sqlite3"
    tables.answers = [(409, b'{"code": "booking.slot_taken"}')]
    before = an_office(file, tables)
    repeated = an_event(7, name="Zoë")
    await tell(before, repeated, webhook_id="msg_1")
    await tell(before, an_event(8, version=2, state="confirmed"))
    await ask(before, "POST", "/backoffice/orders/7/confirm", {})
    known = json.loads((await ask(before, "GET", "/backoffice/orders")).body)["orders"]

    after = an_office(file, tables)
    told = json.loads((await ask(after, "GET", "/backoffice/orders")).body)["orders"]
    again = await tell(after, repeated, webhook_id="msg_1")
    late = await tell(after, an_event(8))
    await ask(after, "POST", "/backoffice/orders/7/decline", {})

    assert told == known
    assert [each["code"] for each in told[0]["sent"]] == ["booking.slot_taken"]
    assert [json.loads(answer.body)["taken"] for answer in (again, late)] == ["repeated", "outdated"]
    assert [decision for _, decision, _ in tables.decisions] == ["confirm", "decline"]
    assert file.stat().st_mode & 0o777 == 0o600


async def test_restart__after_it_was_made_as_new__the_office_knows_nothing(tmp_path: Path, tables: Tables) -> None:
    before = an_office(tmp_path / "office.sqlite3", tables)
    await tell(before, an_event())
    await ask(before, "POST", "/backoffice/orders/7/confirm", {})
    await ask(before, "DELETE", "/control/backoffice")

    after = an_office(tmp_path / "office.sqlite3", tables)

    assert json.loads((await ask(after, "GET", "/backoffice/orders")).body)["orders"] == []
