import json
import logging
import subprocess
import sys

from bookwell.kit.logs import JsonFormatter
from bookwell.kit.request_context import in_trace, set_request_id, set_traceparent


def format_record(*, with_exception: bool = False) -> dict[str, object]:
    set_request_id("desk-7")
    set_traceparent("00-a-b-01")
    error = ValueError("broken")
    info = (ValueError, error, None) if with_exception else None
    record = logging.LogRecord("django.db", logging.WARNING, "x.py", 1, "slow %s", ("query",), info)
    try:
        parsed: dict[str, object] = json.loads(JsonFormatter("library").format(record))
    finally:
        set_request_id("")
        set_traceparent("")
    return parsed


_CONFIGURES_TWICE = """
import structlog
from bookwell.kit.logs import configure
log = structlog.get_logger()
for service in ("library", "tables"):
    configure({"level": "INFO", "service": service})
    log.info("said")
"""


def test_configure__again__loggers_that_were_used_before_follow() -> None:
    ran = subprocess.run([sys.executable, "-c", _CONFIGURES_TWICE], capture_output=True, check=True)  # noqa: S603

    assert [json.loads(line)["service"] for line in ran.stdout.splitlines()] == ["library", "tables"]


def test_format__a_record_of_the_standard_library__has_our_shape() -> None:
    parsed = format_record()

    assert str(parsed.pop("time")).endswith("+00:00")
    assert parsed == {
        "level": "warning",
        "event": "slow query",
        "logger": "django.db",
        "service": "library",
        "request_id": "desk-7",
        "traceparent": "00-a-b-01",
    }


def test_format__work_for_no_request__tells_its_trace() -> None:
    record = logging.LogRecord("x", logging.WARNING, "x.py", 1, "slow", (), None)
    with in_trace("00-a-b-01"):
        parsed = json.loads(JsonFormatter("worker").format(record))

    assert parsed["traceparent"] == "00-a-b-01"
    assert "request_id" not in parsed
    assert "traceparent" not in json.loads(JsonFormatter("worker").format(record))


def test_format__an_exception__is_one_field() -> None:
    assert "ValueError: broken" in str(format_record(with_exception=True)["exception"])


def test_format__an_error_that_repeats_what_was_sent__tells_its_place_alone() -> None:
    class IntegrityError(Exception):
        """As every database's driver has one."""

    error = RuntimeError("not saved")
    error.__cause__ = IntegrityError("Duplicate entry 'ada@example.org'")
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "broken", (), (RuntimeError, error, None))

    described = json.loads(JsonFormatter("library").format(record))["exception"]

    assert "ada" not in described
    assert "IntegrityError: (its message is hidden)" in described
    assert "RuntimeError: not saved" in described
