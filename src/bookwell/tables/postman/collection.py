"""Makes a Postman collection (format 2.1) and its environment from the service's OpenAPI document.

Each operation of the document needs an example. Nothing in the files changes but with the document or the examples.
"""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from bookwell.tables.postman.examples import BEFORE_ALL, EXAMPLES, Example

__all__ = ["collection_of", "environment", "postman_files"]

_SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_FOLDERS = {
    "Tokens": "Log in first: the other requests send the token that the answer holds.",
    "Guests": "What guests do, without an account. Tokens of links stand in the messages that they get.",
    "Administration": "For the roles admin and staff; a reader's token is refused with 403, none with 401.",
    "Back office": "Signed decisions, and a feed for those who can only ask.",
    "Leaving": "The tokens end.",
}
_BARE_NUMBER = re.compile(r'"(\{\{(?:table_id|booking_id|settings)\}\})"')
_VARIABLES = {
    "base_url": "http://127.0.0.1:9000",
    "username": "staff",
    "password": "",
    "token": "",
    "refresh": "",
    "table_id": "1",
    "booking_id": "1",
    "cancel_token": "",
    "view_token": "",
    "reminders_token": "",
    "client_id": "",
    "client_secret": "",
    "machine_token": "",
    "decision_secret": "",
    "settings": "{}",
}
_SECRET = frozenset({"password", "token", "refresh", "client_secret", "machine_token", "decision_secret"})
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_NAME = "Bookwell tables"


def postman_files(document: Mapping[str, Any]) -> dict[str, str]:
    """The content of each file by its name."""
    return {
        "bookwell-tables.postman_collection.json": _text_of(collection_of(document)),
        "bookwell-tables.postman_environment.json": _text_of(environment()),
    }


def collection_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The collection: a folder for each part of the service, each request with an example.

    Raises:
        ValueError: if operations and examples are not the same.
    """
    operations = dict(_operations_of(document))
    if unlike := operations.keys() ^ EXAMPLES.keys():
        raise ValueError(f"examples and operations differ: {sorted(unlike)}")
    folders: dict[str, list[Any]] = {name: [] for name in _FOLDERS}
    for label, example in EXAMPLES.items():
        folders[example.folder].append(_item(label, operations[label], example))
    return {
        "info": {
            "_postman_id": _id_of("collection"),
            "name": _NAME,
            "description": document["info"].get("description", ""),
            "schema": _SCHEMA,
        },
        "auth": _bearer("{{token}}"),
        "event": [_event("prerequest", BEFORE_ALL)],
        "item": [{"name": name, "description": _FOLDERS[name], "item": items} for name, items in folders.items()],
    }


def environment() -> dict[str, Any]:
    """The variables that the collection's requests need."""
    values = [
        {"key": name, "value": value, "type": "secret" if name in _SECRET else "default", "enabled": True}
        for name, value in _VARIABLES.items()
    ]
    return {
        "id": _id_of("environment"),
        "name": f"{_NAME}, this machine",
        "values": values,
        "_postman_variable_scope": "environment",
    }


def _operations_of(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def _item(label: str, operation: Mapping[str, Any], example: Example) -> dict[str, Any]:
    method, _, path = label.partition(" ")
    request: dict[str, Any] = {
        "method": method,
        "header": list(_headers(operation, example)),
        "url": _url(path, operation, example),
        "description": operation["description"],
        "auth": _bearer(example.bearer) if operation.get("security") else {"type": "noauth"},
    }
    if example.form is not None:
        fields = [{"key": name, "value": value} for name, value in example.form.items()]
        request["body"] = {"mode": "urlencoded", "urlencoded": fields}
    if example.body is not None:
        request["body"] = {"mode": "raw", "raw": _raw(example.body), "options": {"raw": {"language": "json"}}}
    events = [
        _event(listen, script) for listen, script in (("prerequest", example.before), ("test", example.after)) if script
    ]
    item = {"name": operation["summary"], "request": request, "response": []}
    return item | ({"event": events} if events else {})


def _headers(operation: Mapping[str, Any], example: Example) -> Iterator[dict[str, Any]]:
    answer = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
    kinds = answer.get("content", {_JSON: {}})
    yield {"key": "Accept", "value": _JSON if _JSON in kinds else next(iter(kinds))}
    if example.body is not None or example.form is not None:
        yield {"key": "Content-Type", "value": _JSON if example.form is None else _FORM}
    if any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", ())):
        yield {"key": "Idempotency-Key", "value": "{{$guid}}", "disabled": True}


def _url(path: str, operation: Mapping[str, Any], example: Example) -> dict[str, Any]:
    query = list(_query(operation, example))
    shown = "&".join(f"{each['key']}={each['value']}" for each in query if not each.get("disabled"))
    return {
        "raw": "{{base_url}}" + path + (f"?{shown}" if shown else ""),
        "host": ["{{base_url}}"],
        "path": path.removeprefix("/").split("/"),
        **({"query": query} if query else {}),
    }


def _query(operation: Mapping[str, Any], example: Example) -> Iterator[dict[str, Any]]:
    for parameter in operation.get("parameters", ()):
        if parameter["in"] != "query":
            continue
        name = parameter["name"]
        entry = {"key": name, "value": example.query.get(name, "")}
        if "description" in parameter:
            entry["description"] = parameter["description"]
        yield entry if name in example.query else entry | {"disabled": True}


def _raw(body: Any) -> str:
    """Variables that stand for numbers, or for a whole body, are written without quotes."""
    return _BARE_NUMBER.sub(r"\1", json.dumps(body, indent=2, ensure_ascii=False))


def _event(listen: str, script: tuple[str, ...]) -> dict[str, Any]:
    return {"listen": listen, "script": {"type": "text/javascript", "exec": list(script)}}


def _bearer(token: str) -> dict[str, Any]:
    return {"type": "bearer", "bearer": [{"key": "token", "value": token, "type": "string"}]}


def _id_of(what: str) -> str:
    """Always the same, so that an import replaces what an earlier one brought."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{_SCHEMA}#bookwell-tables-{what}"))


def _text_of(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
