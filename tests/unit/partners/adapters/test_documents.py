import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from bookwell.contracts.partners import PartnerState
from bookwell.partners.adapters.daia.documents import DaiaAnswer, Document, availability_of, is_strange, matching
from bookwell.partners.adapters.protocol import Availability

UTC = ZoneInfo("UTC")
TODAY = dt.date(2026, 11, 22)
AVAILABLE, UNAVAILABLE, UNKNOWN = PartnerState.AVAILABLE, PartnerState.UNAVAILABLE, PartnerState.UNKNOWN

IN = {"available": [{"service": "loan"}]}
HERE = {"available": [{"service": "presentation"}]}


def out(**facts: Any) -> dict[str, Any]:
    return {"unavailable": [{"service": "loan", **facts}]}


def told(*items: dict[str, Any], **facts: Any) -> Availability:
    document = Document.model_validate({"id": "http://a/1", "item": list(items), **facts})
    return availability_of([document], today=TODAY, zone=UTC)


@pytest.mark.parametrize(
    ("items", "state", "copies"),
    [
        ([], UNAVAILABLE, 0),
        ([IN], AVAILABLE, 1),
        ([IN, IN, out()], AVAILABLE, 2),
        ([out()], UNAVAILABLE, 0),
        ([HERE], UNAVAILABLE, 0),
        ([{}], UNKNOWN, None),
        ([{"available": "", "unavailable": []}], UNKNOWN, None),
        ([{"available": [{"service": "teleport"}]}], UNKNOWN, None),
        ([{**IN, **out()}], UNAVAILABLE, 0),
        ([{"available": [{"service": "loan", "limitation": [{"id": "http://l"}]}], **out()}], UNAVAILABLE, 0),
        ([{"available": [{"service": "loan", "limitation": [{"id": "http://l"}]}]}], AVAILABLE, 1),
        ([{"available": [{"service": "loan", "delay": "unknown"}]}], AVAILABLE, 1),
        ([{"available": [{"service": "http://purl.org/ontology/dso#Loan"}]}], AVAILABLE, 1),
        ([{**IN, "part": "narrower"}], UNAVAILABLE, 0),
        ([{**IN, "part": "broader"}], AVAILABLE, 1),
        ([{**IN, "part": ""}], AVAILABLE, 1),
    ],
)
def test_availability_of__items__are_counted(
    items: list[dict[str, Any]], state: PartnerState, copies: int | None
) -> None:
    answer = told(*items)

    assert (answer.state, answer.copies_available) == (state, copies)


@pytest.mark.parametrize(
    ("items", "is_it"),
    [
        ([{"available": [{"service": "teleported"}]}, {"unavailable": [{"service": "beamed"}]}], True),
        ([{"available": [{"service": "teleported"}, {"service": "http://example.org/scan"}]}], False),
        ([{"available": [{"service": "teleported"}]}, HERE], False),
        ([{"available": [{"service": "teleported"}]}, {}], True),
        ([{}], False),
        ([], False),
    ],
)
def test_is_strange__nothing_but_services_that_nobody_knows__is(items: list[dict[str, Any]], is_it: bool) -> None:
    assert is_strange([Document.model_validate({"id": "http://a/1", "item": items})]) is is_it


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([out(expected="2026-12-05"), out(expected="2026-12-01T10:00:00Z")], dt.date(2026, 12, 1)),
        ([out(expected="unknown")], None),
        ([out()], None),
        ([out(expected="")], None),
        ([out(expected="2026-11-01")], None),
        ([out(expected="2026-11-22")], TODAY),
        ([{"unavailable": [{"service": "presentation", "expected": "2026-12-01"}]}], None),
    ],
)
def test_availability_of__loans__tell_the_first_return(items: list[dict[str, Any]], expected: dt.date | None) -> None:
    assert told(*items).expected == expected


def test_availability_of__queues__tell_the_shortest() -> None:
    assert told(out(queue=3), out(queue=1), out()).queue == 1
    assert told(out(queue="")).queue is None


def test_availability_of__address__only_of_the_web() -> None:
    assert told(href="https://a/1").href == "https://a/1"
    assert told(href="javascript:alert(1)").href is None


def test_matching__by_id_or_requested__each_once() -> None:
    one = Document(id="http://a/1", requested="isbn:1")
    same = Document(id="http://a/1", requested="isbn:2")
    other = Document(id="http://a/2", requested="isbn:3")
    exact = Document(id="isbn:1")

    assert matching([one, same, other, exact], ["isbn:1", "isbn:2"]) == [same, exact]


@pytest.mark.parametrize("requested", ["isbn:0-439-02348-X", "ISBN:043902348x", "isbn:0 439 02348 X"])
def test_matching__an_isbn_written_otherwise__is_the_same(requested: str) -> None:
    document = Document(id="http://a/1", requested=requested)

    assert matching([document], ["isbn:9780439023489", "isbn:043902348X"]) == [document]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        None,
        {"document": None, "error": "internal_error"} | {"document": {}},
        {"document": [{}]},
        {"document": [{"id": 1}]},
        {"document": [{"id": "a", "item": {}}]},
        {"document": [{"id": "a", "item": [{"available": {"service": "loan"}}]}]},
        {"document": [{"id": "a", "item": [{"unavailable": [{"service": "loan", "queue": "1"}]}]}]},
        {"document": [{"id": "a", "item": [{"unavailable": [{"service": "loan", "queue": -1}]}]}]},
        {"document": [{"id": "a", "item": [{"unavailable": [{"service": "loan", "queue": True}]}]}]},
        {"document": [{"id": "a", "item": [{"unavailable": [{"service": None}]}]}]},
    ],
)
def test_answer__wrong_types__is_refused(answer: Any) -> None:
    with pytest.raises(ValidationError):
        DaiaAnswer.model_validate(answer)
