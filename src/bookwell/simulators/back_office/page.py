"""The page where an employee sees orders and decides: plain HTML with forms, without scripts."""

from collections.abc import Iterable, Sequence
from html import escape
from zoneinfo import ZoneInfo

from bookwell.simulators.back_office.ledger import Order, Sent
from bookwell.simulators.http import Answer

__all__ = ["HEADERS", "STYLE", "page_of", "style"]

STYLE = "/backoffice/style.css"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_CSS = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { margin: 0 auto; max-width: 60rem; padding: 1rem }
article { border: 1px solid GrayText; border-radius: .5rem; margin: 1rem 0; padding: .5rem 1rem }
dl { display: grid; gap: 0 1rem; grid-template-columns: max-content 1fr }
dd { margin: 0; overflow-wrap: anywhere }
form { display: flex; flex-wrap: wrap; gap: .5rem; align-items: end; margin: .5rem 0 }
label { display: grid }
button, input { font: inherit; min-height: 2.75rem; padding: 0 1rem }
"""


def page_of(orders: Sequence[Order], *, mood: str) -> Answer:
    """All orders, those that wait first."""
    waiting = [order for order in orders if order.is_waiting]
    others = [order for order in orders if not order.is_waiting]
    trouble = f"<p><strong>Switched on: {escape(mood)}</strong></p>" if mood else ""
    body = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>Back office: {len(waiting)} waiting</title><link rel="stylesheet" href="{STYLE}"></head><body>'
        "<header><h1>Back office</h1>"
        '<p>A simulator: it stands for the restaurant’s own program. <a href="/backoffice">Look again</a></p>'
        f"{trouble}</header><main>"
        f'<section aria-labelledby="waiting"><h2 id="waiting">Waiting for a decision: {len(waiting)}</h2>'
        f"{_articles(waiting)}</section>"
        f'<section aria-labelledby="others"><h2 id="others">Others: {len(others)}</h2>{_articles(others)}</section>'
        "</main></body></html>"
    )
    return Answer(200, body.encode(), {"Content-Type": "text/html; charset=utf-8", **HEADERS})


def style() -> Answer:
    """What the page looks like."""
    return Answer(200, _CSS.encode(), {"Content-Type": "text/css; charset=utf-8", **HEADERS})


def _articles(orders: Iterable[Order]) -> str:
    return "".join(_article(order) for order in orders) or "<p>None.</p>"


def _article(order: Order) -> str:
    event = order.event
    zone = ZoneInfo(event.time_zone)
    starts_at, ends_at = (each.astimezone(zone) for each in (event.starts_at, event.ends_at))
    details = {
        "State": event.state.replace("_", " ") + (", its table is taken" if event.slot_taken else ""),
        "Table": f"{event.table.name} ({event.table.table_type}, {event.table.seats} seats)",
        "When": f"{starts_at:%Y-%m-%d %H:%M} to {ends_at:%H:%M}, {event.time_zone}",
        "People": str(event.party_size),
        "Guest": ", ".join(filter(None, (event.name, event.email, event.phone))) or "unknown",
        "Comment": event.comment,
        "Price": f"{event.price:.2f}",
        "Decide by": f"{event.decide_by.astimezone(zone):%Y-%m-%d %H:%M}" if event.decide_by else "",
        "Reason": event.reason,
        "Sent": "; ".join(_line(sent) for sent in order.sent),
    }
    rows = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in details.items() if value)
    number = event.booking_id
    return (
        f'<article aria-labelledby="order-{number}"><h3 id="order-{number}">Booking {number}, '
        f"version {event.version}</h3><dl>{rows}</dl>{_form(number)}</article>"
    )


def _form(number: int) -> str:
    """Offered for every order, whatever its state: an employee may decide late, or otherwise than before."""
    path = f"/backoffice/orders/{number}"
    return (
        f'<form method="post"><label for="reason-{number}">Reason'
        f'<input id="reason-{number}" name="reason" maxlength="500" autocomplete="off"></label>'
        f'<button formaction="{path}/confirm" aria-describedby="order-{number}">Confirm</button>'
        f'<button formaction="{path}/decline" aria-describedby="order-{number}">Decline</button></form>'
    )


def _line(sent: Sent) -> str:
    answer = f"{sent.status} {sent.code}".strip() if sent.status else f"no answer yet {sent.code}".strip()
    return f"{sent.decision} on version {sent.version}: {answer}"
