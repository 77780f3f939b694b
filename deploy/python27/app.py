# -*- coding: utf-8 -*-
"""A door to Bookwell's partners service for estates whose hosts speak through Python 2.7.

It checks the form of what comes in, logs it, and forwards it to `BOOKWELL_PARTNERS_URL`; whoever may reserve what is
decided behind it. Its answers to malformed requests are those of the partners service, whose contract tests it passes.

Settings: `BOOKWELL_PARTNERS_URL` (default http://127.0.0.1:5013), `BOOKWELL_PARTNERS_CA` (a file of certificates, for
https), `BOOKWELL_DOOR_TIMEOUT_MS` (15000), `BOOKWELL_MAX_BODY_BYTES` (1048576).
"""

from __future__ import division, unicode_literals

import binascii
import datetime as dt
import io
import json
import os
import re
import sys
import time
import traceback
from contextlib import closing

import requests
from flask import Flask, Response, g, request
from requests.packages.urllib3.exceptions import HTTPError as TransportError
from werkzeug.exceptions import HTTPException
from werkzeug.urls import url_parse, url_quote

from problems import CODE_OF_STATUS, Refusal, document_of
from reading import MAX_INTEGER, accepts_json, check_reservation, read_json

SERVICE = "python27"
VERSION = "1"

_JSON = "application/json"
_PROBLEM = "application/problem+json"

_CONNECT_SECONDS = 2
_HEALTH_SECONDS = 1
_LONGEST_ANSWER = 1048576
_CHUNK = 16384
_RETRY_SECONDS = 2
_NOT_THE_SERVICE = (502, 504)  # a proxy's before the service
_PASSED_HEADERS = ("Cache-Control", "Location", "Retry-After", "WWW-Authenticate", "RateLimit", "RateLimit-Policy")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z")
_BEARER = re.compile(r"bearer +[\x21-\x7e]+ *\Z", re.IGNORECASE)
_KEY = re.compile(r'\s*(?:"[\x20\x21\x23-\x7e]{1,200}"|[\x21\x23-\x7e]{1,200})\s*\Z')
_ADDRESSES = re.compile(r"[0-9A-Fa-f:., \[\]]{1,500}\Z")


class Settings(object):
    """What the environment says; a wrong value stops the start with a message that names its variable."""

    def __init__(self, environ):
        self.partners_url = environ.get("BOOKWELL_PARTNERS_URL", "http://127.0.0.1:5013").rstrip("/")
        self.partners_ca = environ.get("BOOKWELL_PARTNERS_CA") or True
        self.timeout_seconds = _positive(environ, "BOOKWELL_DOOR_TIMEOUT_MS", 15000) / 1000
        self.max_body_bytes = _positive(environ, "BOOKWELL_MAX_BODY_BYTES", 1048576)
        parts = url_parse(self.partners_url)
        if parts.scheme not in ("http", "https") or not parts.host:
            raise SystemExit("BOOKWELL_PARTNERS_URL: is no http or https URL")


def _positive(environ, name, default):
    text = environ.get(name, str(default))
    if not re.match(r"[1-9][0-9]{0,8}\Z", text):
        raise SystemExit("{}: must be a whole number above 0".format(name))
    return int(text)


def _problem(refusal):
    document = document_of(refusal, url_quote(request.path), g.request_id)
    return Response(json.dumps(document), status=document["status"], headers=refusal.headers, content_type=_PROBLEM)


def _refused_by_flask(error):
    """What routing and Werkzeug refuse; a status without a kind of ours is a bad request or a failure."""
    code = CODE_OF_STATUS.get(error.code) or ("http.internal_error" if error.code >= 500 else "http.bad_request")
    valid_methods = getattr(error, "valid_methods", None)
    return _problem(Refusal(code, headers={"Allow": ", ".join(sorted(valid_methods))} if valid_methods else None))


def _failed(_error):
    _log("error", "http.failed", exception=traceback.format_exc())
    return _problem(Refusal("http.internal_error"))


def _body(max_bytes):
    if request.content_length is None and "Transfer-Encoding" in request.headers:
        raise Refusal("http.length_required")
    if (request.content_length or 0) > max_bytes:
        raise Refusal("http.too_large")
    return request.get_data(cache=False)


def _check_accept():
    if not accepts_json(request.headers.get("Accept", "")):
        raise Refusal("http.not_acceptable")


def _check_token():
    """Whether there is one; whether it is good, the partners service says."""
    if not _BEARER.match(request.headers.get("Authorization", "")):
        raise Refusal("auth.required", headers={"WWW-Authenticate": "Bearer"})


def _forwarded_headers():
    headers = {"Accept": _JSON, "Accept-Encoding": "identity", "X-Request-ID": g.request_id}
    before = request.headers.get("X-Forwarded-For", "")
    addresses = [before] if _ADDRESSES.match(before) else []
    headers["X-Forwarded-For"] = ", ".join(addresses + [request.remote_addr or ""])
    if g.traceparent:
        headers["traceparent"] = g.traceparent
    if request.method == "POST":
        headers["Content-Type"] = _JSON
        names = [name for name in ("Authorization", "Idempotency-Key") if name in request.headers]
        headers.update((name, request.headers[name].strip()) for name in names)
    return {name: value.encode("latin-1") for name, value in headers.items()}


def _ask(settings, method, path, body=None, seconds=None):
    """The partners service's answer: status, headers, content.

    Raises Refusal when there is none in time, or one that the service does not give.
    """
    seconds = seconds or settings.timeout_seconds
    try:
        with requests.Session() as session:  # one a call: callers share neither cookies nor broken connections
            session.trust_env = False  # no proxies, and no .netrc in place of the caller's token
            answer = session.request(
                method,
                settings.partners_url + path,
                data=body,
                headers=_forwarded_headers(),
                timeout=(_CONNECT_SECONDS, seconds),
                verify=settings.partners_ca,
                allow_redirects=False,
                stream=True,
            )
            with closing(answer):
                return answer.status_code, answer.headers, _content(answer, time.time() + seconds)
    except (EnvironmentError, TransportError, ValueError) as error:
        _log("warning", "partners.unreachable", error=type(error).__name__)
        raise Refusal("partners.unreachable", headers={"Retry-After": str(_RETRY_SECONDS)})


def _content(answer, deadline):
    media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    is_answer = 200 <= answer.status_code < 300 or 400 <= answer.status_code < 600
    if media_type not in (_JSON, _PROBLEM) or not is_answer or answer.status_code in _NOT_THE_SERVICE:
        raise ValueError("no answer of the service")
    content = io.BytesIO()
    for chunk in answer.iter_content(_CHUNK):
        content.write(chunk)
        if content.tell() > _LONGEST_ANSWER or time.time() > deadline:
            raise ValueError("too long")
    return content.getvalue()


def _passed_on(status, headers, content):
    passed = {name: headers[name] for name in _PASSED_HEADERS if name in headers}
    return Response(content, status=status, headers=passed, content_type=headers["Content-Type"])


def _log(level, event, **fields):
    """One JSON object a line on standard output; no addresses, names, tokens or bodies."""
    now = dt.datetime.utcnow().isoformat() + "+00:00"  # noqa: DTZ003, TID251 -- Python 2.7 has no other
    record = {"time": now, "service": SERVICE, "level": level, "event": event, "request_id": g.request_id}
    if g.traceparent:
        record["traceparent"] = g.traceparent
    record.update(fields)
    sys.stdout.write(json.dumps(record, sort_keys=True) + "\n")
    sys.stdout.flush()


def _begin():
    g.began = time.time()
    sent = request.headers.get("X-Request-ID", "")
    g.request_id = sent if _REQUEST_ID.match(sent) else binascii.hexlify(os.urandom(16)).decode("ascii")
    trace = request.headers.get("traceparent", "")
    g.traceparent = trace if _TRACEPARENT.match(trace) else ""


def _end(response):
    response.headers["X-Request-ID"] = g.request_id
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Vary"] = "Accept, Authorization"
    response.headers.setdefault("Cache-Control", "no-store")
    if request.path != "/health":
        milliseconds = round(max(0, time.time() - g.began) * 1000, 2)
        route = request.url_rule.rule if request.url_rule is not None else "unmatched"
        fields = {"method": request.method, "route": route, "status": response.status_code}
        _log("info", "http.request", milliseconds=milliseconds, **{str(name): fields[name] for name in fields})
    return response


def make_app(settings):
    """The application; gunicorn serves the module's `application`."""
    app = Flask(__name__, static_folder=None)
    app.before_request(_begin)
    app.after_request(_end)
    app.register_error_handler(Refusal, _problem)
    app.register_error_handler(HTTPException, _refused_by_flask)
    app.register_error_handler(Exception, _failed)

    @app.route("/health")
    def health():
        began, state = time.time(), "up"
        try:
            _ask(settings, "GET", "/health/live", seconds=_HEALTH_SECONDS)
        except Refusal:
            state = "down"
        milliseconds = round(max(0, time.time() - began) * 1000, 2)
        partners = {"name": "partners", "state": state, "milliseconds": milliseconds}
        report = {"service": SERVICE, "version": VERSION, "state": state, "dependencies": [partners]}
        return Response(json.dumps(report), content_type=_JSON)

    @app.route("/status/<int:book_id>")
    def status(book_id):
        _check_accept()
        if not 1 <= book_id <= MAX_INTEGER:
            raise Refusal("http.not_found")
        return _passed_on(*_ask(settings, "GET", "/status/{}".format(book_id)))

    @app.route("/reserve", methods=["POST"])
    def reserve():
        _check_accept()
        _check_token()
        body = _body(settings.max_body_bytes)
        check_reservation(read_json(body, request.headers.get("Content-Type", "")))
        if "Idempotency-Key" in request.headers and not _KEY.match(request.headers["Idempotency-Key"]):
            raise Refusal("idempotency.key_invalid")
        return _passed_on(*_ask(settings, "POST", "/reserve", body=body))

    return app


application = make_app(Settings(os.environ))
