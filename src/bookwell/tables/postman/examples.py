"""What people try first: where each request stands, what it sends, and what of its answer the next ones need.

Values in double braces are the collection's variables; those that no file can know are filled by scripts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

__all__ = ["BEFORE_ALL", "EXAMPLES", "Example"]

_TABLE, _BOOKING = {"id": "{{table_id}}"}, {"id": "{{booking_id}}"}
_CANCEL_TOKEN, _VIEW_TOKEN = {"id": "{{cancel_token}}"}, {"id": "{{view_token}}"}
_SHOWN_FIRST = {"dry_run": "true"}
_ORDER = {"starts_at": "{{starts_at}}", "party_size": 2}

BEFORE_ALL = (
    "// Tomorrow at six, as the restaurant's clocks show it.",
    "const day = new Date(Date.now() + 24 * 3600 * 1000).toISOString().slice(0, 10);",
    'pm.variables.set("starts_at", `${day}T18:00:00`);',
    'pm.variables.set("ends_at", `${day}T20:00:00`);',
)

_KEEP_TOKENS = (
    'pm.test("logged in", () => pm.response.to.have.status(200));',
    "if (pm.response.code === 200) {",
    '    pm.environment.set("token", pm.response.json().access);',
    '    pm.environment.set("refresh", pm.response.json().refresh);',
    "}",
)
_KEEP_FIRST_TABLE = (
    "const tables = pm.response.code === 200 ? pm.response.json() : [];",
    'if (tables.length) { pm.environment.set("table_id", tables[0].id); }',
)
_KEEP_TABLE = ('if (pm.response.code === 201) { pm.environment.set("table_id", pm.response.json().id); }',)
_KEEP_BOOKING = ('if (pm.response.code === 201) { pm.environment.set("booking_id", pm.response.json().id); }',)
_KEEP_MACHINE_TOKEN = (
    'if (pm.response.code === 200) { pm.environment.set("machine_token", pm.response.json().access_token); }',
)
_SIGN = (
    'const body = pm.variables.replaceIn(pm.request.body ? pm.request.body.raw : "");',
    'const id = "postman-" + pm.variables.replaceIn("{{$guid}}");',
    "const time = Math.floor(Date.now() / 1000).toString();",
    'const key = CryptoJS.enc.Base64.parse(pm.variables.get("decision_secret").replace("whsec_", ""));',
    "const signature = CryptoJS.HmacSHA256(`${id}.${time}.${body}`, key).toString(CryptoJS.enc.Base64);",
    "pm.request.body.update(body);",
    'pm.request.headers.upsert({ key: "webhook-id", value: id });',
    'pm.request.headers.upsert({ key: "webhook-timestamp", value: time });',
    'pm.request.headers.upsert({ key: "webhook-signature", value: `v1,${signature}` });',
)


@dataclass(frozen=True, slots=True)
class Example:
    """One request: its folder, its query, its body (JSON, or a form), the scripts before and after it, whose token."""

    folder: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    form: Mapping[str, str] | None = None
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    bearer: str = "{{token}}"


def _guest(**values: Any) -> Example:
    return Example("Guests", **values)


def _admin(**values: Any) -> Example:
    return Example("Administration", **values)


EXAMPLES: Mapping[str, Example] = MappingProxyType(
    {
        "GET /api/customer/view_tables/": _guest(
            query={"table_type": "regular", "seats": "2", "starts_at": "{{starts_at}}"}, after=_KEEP_FIRST_TABLE
        ),
        "POST /api/customer/book_table/": _guest(
            query=_TABLE,
            body={**_ORDER, "name": "Ada Nowak", "email": "ada@example.org", "comment": "By the window"},
            after=_KEEP_BOOKING,
        ),
        "GET /api/customer/cancel_booking/": _guest(query=_CANCEL_TOKEN),
        "POST /api/customer/cancel_booking/": _guest(query=_CANCEL_TOKEN, body={}),
        "GET /api/customer/booking/": _guest(query=_VIEW_TOKEN),
        "GET /api/customer/unsubscribe/": _guest(query={"id": "{{reminders_token}}"}),
        "POST /api/customer/unsubscribe/": _guest(query={"id": "{{reminders_token}}"}, body={}),
        "POST /api/token/": Example(
            "Tokens", body={"username": "{{username}}", "password": "{{password}}"}, after=_KEEP_TOKENS
        ),
        "POST /api/token/refresh/": Example("Tokens", body={"refresh": "{{refresh}}"}, after=_KEEP_TOKENS),
        "POST /api/token/logout/": Example("Leaving", body={"refresh": "{{refresh}}"}),
        "POST /identity/o/api/token": Example(
            "Back office",
            form={
                "grant_type": "client_credentials",
                "client_id": "{{client_id}}",
                "client_secret": "{{client_secret}}",
            },
            after=_KEEP_MACHINE_TOKEN,
        ),
        "POST /api/admin/add_table/": _admin(
            body={"table_type": "cabin", "seats": 4, "price": 25.5, "can_be_booked": True}, after=_KEEP_TABLE
        ),
        "POST /api/admin/update_table/": _admin(query=_TABLE, body={"seats": 6}),
        "POST /api/admin/set_price/": _admin(query=_TABLE, body={"price": 30.0}),
        "POST /api/admin/remove_table/": _admin(query=_TABLE | _SHOWN_FIRST, body={}),
        "POST /api/admin/close_table/": _admin(
            query=_TABLE | _SHOWN_FIRST,
            body={"from": "{{starts_at}}", "until": "{{ends_at}}", "reason": "A broken window"},
        ),
        "POST /api/admin/open_table/": _admin(query=_TABLE, body={}),
        "GET /api/admin/settings/": _admin(after=('pm.environment.set("settings", pm.response.text());',)),
        "PUT /api/admin/settings/": _admin(query=_SHOWN_FIRST, body="{{settings}}"),
        "POST /api/admin/set_booking/": _admin(
            query=_TABLE, body={**_ORDER, "name": "Jan, by telephone"}, after=_KEEP_BOOKING
        ),
        "POST /api/admin/accept_booking/": _admin(query=_BOOKING, body={}),
        "POST /api/admin/decline_booking/": _admin(query=_BOOKING, body={"reason": "A wedding party"}),
        "POST /api/admin/cancel_booking/": _admin(query=_BOOKING, body={"reason": "A burst pipe"}),
        "POST /api/admin/move_booking/": _admin(query=_BOOKING, body={"table_id": "{{table_id}}", "duration": 120}),
        "POST /api/admin/mark_booking/": _admin(query=_BOOKING, body={"state": "seated"}),
        "GET /api/admin/view_active_bookings/": _admin(query={"limit": "50"}),
        "GET /api/admin/view_booking_history/": _admin(query=_BOOKING),
        "POST /api/backoffice/decisions": Example(
            "Back office",
            body={"booking_id": "{{booking_id}}", "decision": "confirm", "version": 1, "backoffice_ref": "A-17"},
            before=_SIGN,
        ),
        "GET /api/backoffice/orders": Example("Back office", bearer="{{machine_token}}"),
    }
)
"""By method and path, in the order in which a person would try them. Numbers in braces are sent without quotes."""
