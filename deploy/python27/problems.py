# -*- coding: utf-8 -*-
"""The door's own answers to what it refuses: RFC 9457, with the partners service's codes and words."""

from __future__ import unicode_literals

_PROBLEM_BASE = "https://bookwell.dev/problems/"

# code: status, title, what it means; as in the catalogue of the partners service
_KINDS = {
    "http.bad_request": (400, "Bad Request", "The request line, host or headers cannot be served."),
    "request.unreadable": (400, "Bad Request", "The body is not JSON in UTF-8."),
    "auth.required": (401, "Unauthorized", "The operation needs a valid bearer token."),
    "http.not_found": (404, "Not Found", "There is nothing at this path."),
    "http.method_not_allowed": (405, "Method Not Allowed", "`Allow` lists the methods of this path."),
    "http.not_acceptable": (406, "Not Acceptable", "The answer is JSON, which `Accept` excludes."),
    "http.length_required": (411, "Length Required", "A body needs a `Content-Length`."),
    "http.too_large": (413, "Content Too Large", "The body is larger than the service reads."),
    "http.unsupported_media_type": (415, "Unsupported Media Type", "The body must be `application/json`."),
    "request.invalid": (422, "Unprocessable Content", "The request breaks its schema; `errors` lists the fields."),
    "idempotency.key_invalid": (422, "Idempotency-Key is not valid", "Idempotency-Key is not valid"),
    "http.internal_error": (500, "Internal Server Error", "The service failed; `trace_id` finds it in its logs."),
    "partners.unreachable": (
        503,
        "The partners service cannot be reached",
        "The partners service does not answer, or not in time.",
    ),
}
CODE_OF_STATUS = {kind[0]: code for code, kind in sorted(_KINDS.items(), reverse=True)}


class Refusal(Exception):
    """A request that is answered with a problem document of this code."""

    def __init__(self, code, errors=(), headers=None):
        super(Refusal, self).__init__(code)
        self.code = code
        self.errors = list(errors)
        self.headers = headers or {}


def document_of(refusal, path, trace_id):
    """The problem document of a refusal; `path` is a URI reference, `trace_id` the request's id."""
    status, title, meaning = _KINDS[refusal.code]
    return {
        "type": _PROBLEM_BASE + refusal.code,
        "title": title,
        "status": status,
        "detail": meaning,
        "instance": path,
        "code": refusal.code,
        "trace_id": trace_id,
        "retryable": status == 503,
        "errors": refusal.errors,
    }
