"""The library as the issuer of tokens: requests of its users are handed on to it, and answered as it answers."""

from threading import BoundedSemaphore

import httpx2
import structlog

from bookwell.kit.errors import Unavailable
from bookwell.kit.idempotency import Answer
from bookwell.kit.request_context import request_id, traceparent

__all__ = ["LoginUnavailable", "hand_on"]

_MOST_AT_ONCE = 4  # in a process: a library that hangs must not take every thread from the guests
_TURN_SECONDS = 0.2
_WAIT_SECONDS = 5.0
_PASSED_HEADERS = ("Content-Type", "Retry-After", "WWW-Authenticate")

_turns = BoundedSemaphore(_MOST_AT_ONCE)
_log = structlog.get_logger()


class LoginUnavailable(Unavailable):
    """The library issues the tokens, and does not answer."""

    code = "auth.login_unavailable"
    title = "Nobody can log in now"
    retry_after = 2


def hand_on(url: str, body: bytes, *, address: str) -> Answer:
    """What the library answers to a body of JSON, sent by somebody at `address`.

    Raises:
        LoginUnavailable: if it does not answer within five seconds, or fails; also while many wait for it already.
    """
    if not _turns.acquire(timeout=_TURN_SECONDS):
        _log.warning("login.issuer_slow")
        raise LoginUnavailable
    try:
        return _ask(url, body, address)
    finally:
        _turns.release()


def _ask(url: str, body: bytes, address: str) -> Answer:
    headers = {"Content-Type": "application/json", "Accept": "application/json", "X-Request-ID": request_id()}
    headers |= {"traceparent": traceparent()} | ({"X-Forwarded-For": address} if address else {})
    try:
        with httpx2.Client(timeout=_WAIT_SECONDS, trust_env=False) as client:
            answer = client.post(url, content=body, headers=headers)
    except httpx2.HTTPError as error:
        _log.warning("login.issuer_unreachable", error=type(error).__name__)
        raise LoginUnavailable from error
    if answer.status_code >= httpx2.codes.INTERNAL_SERVER_ERROR or answer.is_redirect:
        _log.warning("login.issuer_failed", status=answer.status_code)
        raise LoginUnavailable
    passed = {name: answer.headers[name] for name in _PASSED_HEADERS if name in answer.headers}
    return Answer(answer.status_code, answer.content, passed)
