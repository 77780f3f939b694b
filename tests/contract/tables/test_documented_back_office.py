"""The integrator's page: its code signs and verifies as the services do, and its codes are those that there are."""

import re
import urllib.request
from pathlib import Path
from typing import Any

import bookwell.kit
import bookwell.tables
from bookwell.kit import clock
from bookwell.kit.http_errors import KINDS
from bookwell.kit.problem_catalogue import domain_errors
from bookwell.kit.webhooks import WebhookSecret, sign, verify

PAGE = Path(__file__).parents[3] / "docs" / "back-office.md"
_UNIMPORTED = {"django", "flask", "celery", "migrations"}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def _code() -> dict[str, Any]:
    """What the page's first block of Python defines."""
    block = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102 -- our own page
    return names


def test_the_pages_decision__is_believed() -> None:
    request = _code()["decision"]("http://t", SECRET, booking_id=1, decision="confirm", version=1)

    assert isinstance(request, urllib.request.Request)
    assert request.full_url == "http://t/api/backoffice/decisions"
    assert isinstance(request.data, bytes)
    verify(dict(request.header_items()), request.data, secrets=[WebhookSecret.parse(SECRET)], now=clock.now())


def test_the_pages_check__believes_what_the_notifier_signs_and_nothing_else() -> None:
    is_ours, body = _code()["is_ours"], b'{"type": "booking.requested"}'
    headers = sign([WebhookSecret.parse(SECRET)], message_id="x", sent_at=clock.now(), body=body)

    assert is_ours(SECRET, headers, body)
    assert not is_ours(SECRET, headers, body + b" ")
    assert not is_ours(SECRET, headers | {"webhook-timestamp": "1614265330"}, body)


def test_the_pages_codes__are_codes_that_there_are() -> None:
    told = re.findall(r"^\| [\d, ]+ \| (.*?) \|", PAGE.read_text(), re.MULTILINE)
    codes = {code for cell in told for code in re.findall(r"`([a-z_]+\.[a-z_]+)`", cell)}
    errors = domain_errors((bookwell.kit, bookwell.tables), unimported=_UNIMPORTED)

    assert len(codes) > 10
    assert codes <= {error.code for error in errors} | {kind.code for kind in KINDS}
