import json

import pytest

from bookwell.kit.log_records import LogRecord, record_of


def line_of(**fields: object) -> bytes:
    return json.dumps(
        {"time": "2026-03-12T18:00:00.123456+00:00", "service": "library", "level": "info"} | fields
    ).encode()


def fields_of(**fields: object) -> dict[str, object]:
    parsed: dict[str, object] = json.loads(record_of(line_of(event="x", **fields)).fields)
    return parsed


def test_record_of__a_line__has_columns_and_the_rest_as_fields() -> None:
    record = record_of(line_of(event="http.request", request_id="desk-7", logger="a.b", status=200, route="api/books/"))

    assert record == LogRecord(
        at=1773338400123,
        service="library",
        level="info",
        event="http.request",
        request_id="desk-7",
        logger="a.b",
        fields='{"status":200,"route":"api/books/"}',
    )


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("sent to ada.lovelace+x@example.co.uk today", "sent to [hidden] today"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer [hidden]"),
        ("token eyJhbGciOi.eyJzdWIiOiI.c2ln ends", "token [hidden] ends"),
        ("mysql://root:hunter2@db/x is down", "mysql://[hidden]@db/x is down"),
        ("nul\0byte", "nulbyte"),
        ("api/books/<int:book_id>/", "api/books/<int:book_id>/"),
    ],
)
def test_record_of__what_people_sent__is_not_kept(text: str, kept: str) -> None:
    assert fields_of(exception=text, nested={"list": [text]}) == {"exception": kept, "nested": {"list": [kept]}}
    assert record_of(line_of(event=text)).event == kept


@pytest.mark.parametrize("name", ["password", "token", "Authorization", "body", "email", "recipient"])
def test_record_of__a_field_that_must_not_be__is_hidden(name: str) -> None:
    assert fields_of(**{name: "anything"}) == {name: "[hidden]"}


def test_record_of__a_long_exception__keeps_its_end() -> None:
    kept = str(fields_of(exception="x" * 50_000 + "ValueError: broken")["exception"])

    assert len(kept) == 10_000
    assert kept.endswith("ValueError: broken")


def test_record_of__more_than_a_column_holds__is_cut() -> None:
    record = record_of(line_of(event="e" * 300, request_id="r" * 300, logger="l" * 300, huge="ł" * 40_000))

    assert (len(record.event), len(record.request_id), len(record.logger)) == (200, 64, 100)
    assert len(record.fields.encode()) < 65_535
    assert set(json.loads(record.fields)) == {"truncated"}


@pytest.mark.parametrize(
    ("traceparent", "trace"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736", ""),
        ("", ""),
        (None, ""),
        (["x"], ""),
    ],
)
def test_record_of__a_traceparent__is_found_by_its_trace(traceparent: object, trace: str) -> None:
    record = record_of(line_of(event="x", traceparent=traceparent))

    assert record.trace == trace
    assert json.loads(record.fields) == {"traceparent": traceparent}
