"""HTTP with a partner that may be slow, broken or hostile: bounded in time and size, JSON or nothing.

Whatever goes wrong becomes PartnerFailed. Redirects stay on the partner's own host; cookies are neither kept nor sent.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import version
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import anyio
import httpx2
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json

from bookwell.kit import clock
from bookwell.kit.request_context import trace_headers
from bookwell.partners.adapters.protocol import AdapterOptions, Failure, PartnerFailed

__all__ = ["MAX_ANSWER_BYTES", "Reply", "Wire", "read_as", "with_query", "within"]

MAX_ANSWER_BYTES = 1_048_576
_MAX_PIECES = 4096
"""A body may come in so many chunks: a chunk of one byte takes as long as one of thousands."""
_MAX_OBJECTS = 5000
"""JSON may hold so many objects: to check as many as fit into the bytes would stop everybody's answers for seconds."""
_MAX_REDIRECTS = 3
_MAX_RETRY_AFTER = 3600.0
_USER_AGENT = f"Bookwell/{version('bookwell')}"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_LINK = 8192
_LINK = re.compile(r'<([^<>]*)>((?:[^,"<]|"[^"]*")*)')
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*(?:=\s*(?:"([^"]*)"|([^\s;"]*)))?')
"""A link's parts: its address, which may hold commas, and name, quoted and plain value of what follows (RFC 8288)."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SILENT_END = "disconnected without sending a response"
"""What the client says of a connection that was closed without a word; to it that is an error like a wrong word."""
_TRANSPORT_ERRORS = (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, OSError, ValueError)

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer below 500; `data` is its JSON, None where it has none."""

    status: int
    data: Any
    headers: Mapping[str, str]
    url: httpx2.URL

    @property
    def next_url(self) -> str | None:
        """Where the next page is; on the partner's own host.

        Raises:
            PartnerFailed: if it is elsewhere.
        """
        for target, parameters in _LINK.findall(self.headers.get("link", "")[:_MAX_LINK]):
            relations = (
                quoted or plain for name, quoted, plain in _PARAMETER.findall(parameters) if name.lower() == "rel"
            )
            if "next" in next(relations, "").lower().split():
                return _joined(self.url, target.strip())
        return None


class Wire:
    """Calls of one partner over the shared client."""

    def __init__(self, client: httpx2.AsyncClient, options: AdapterOptions) -> None:
        client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._client = client
        self._headers = {
            "User-Agent": _USER_AGENT,
            "Accept": "application/json",
            "Accept-Language": options.language,
            "Accept-Encoding": "identity",  # a small answer could unpack to a huge one
        }

    async def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: Any = None,
    ) -> Reply:
        """One call; a GET follows redirects on the same host.

        Raises:
            PartnerFailed: for every answer that is no JSON or too large, 429, 5xx, and when there is none.
        """
        content, kind = _content(form, json)
        sent = {**self._headers, **trace_headers(), **kind, **(headers or {})}
        for _ in range(_MAX_REDIRECTS + 1):
            reply, location = await self._once(method, url, sent, content)
            if location is None:
                return reply
            if method != "GET":
                break
            url = _joined(reply.url, location)
        raise PartnerFailed(Failure.REDIRECTED)

    async def _once(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> tuple[Reply, str | None]:
        try:
            async with self._client.stream(
                method, url, headers=headers, content=content, follow_redirects=False
            ) as response:
                location = response.headers.get("location", "") if response.status_code in _REDIRECTS else None
                body = b"" if location is not None else await _read(response)
                told = {name.lower(): value for name, value in response.headers.items()}
                reply = Reply(response.status_code, _parsed(response.status_code, told, body), told, response.url)
        except httpx2.TimeoutException:
            raise PartnerFailed(Failure.TIMEOUT) from None
        except (httpx2.ProtocolError, httpx2.DecodingError, httpx2.InvalidURL) as error:
            code = Failure.UNREACHABLE if _SILENT_END in str(error) else Failure.MALFORMED
            raise PartnerFailed(code, detail=type(error).__name__) from None
        except _TRANSPORT_ERRORS as error:
            raise PartnerFailed(Failure.UNREACHABLE, detail=type(error).__name__) from None
        return reply, location


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Bound a whole operation; what takes longer is PartnerFailed("timeout")."""
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError:
        raise PartnerFailed(Failure.TIMEOUT) from None


def read_as(model: type[Model], data: Any) -> Model:
    """A partner's JSON as a model.

    Raises:
        PartnerFailed: "malformed", if it has wrong types.
    """
    try:
        return model.model_validate(data)
    except (ValidationError, RecursionError):
        raise PartnerFailed(Failure.MALFORMED) from None


def with_query(url: str, **arguments: str) -> str:
    """An address with arguments, every reserved character quoted."""
    return f"{url}?{urlencode(arguments, quote_via=quote, safe='')}"


def _content(form: Mapping[str, str] | None, json: Any) -> tuple[bytes | None, dict[str, str]]:
    if form is not None:
        return urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    if json is not None:
        return to_json(json), {"Content-Type": "application/json"}
    return None, {}


async def _read(response: httpx2.Response) -> bytes:
    """The body as it was sent.

    Raises:
        PartnerFailed: "too_large", as soon as that is certain.
    """
    length = response.headers.get("content-length", "")
    if length.isdecimal() and (len(length) > 12 or int(length) > MAX_ANSWER_BYTES):
        raise PartnerFailed(Failure.TOO_LARGE)
    body, pieces = bytearray(), 0
    async for chunk in response.aiter_raw():
        body += chunk
        pieces += 1
        if len(body) > MAX_ANSWER_BYTES or pieces > _MAX_PIECES:
            raise PartnerFailed(Failure.TOO_LARGE)
    return bytes(body)


def _parsed(status: int, headers: Mapping[str, str], body: bytes) -> Any:
    """The JSON of an answer; a refusal (4xx) may come without.

    Raises:
        PartnerFailed: for 429, 5xx, success that is no JSON, and JSON of too many objects.
    """
    if status == 429 or status >= 500:
        raise _unwilling(status, headers.get("retry-after", ""))
    if status in _REDIRECTS or (status < 300 and not body and status in {202, 204}):
        return None
    if body.count(b"{") > _MAX_OBJECTS:
        raise PartnerFailed(Failure.TOO_LARGE)
    if headers.get("content-encoding", "identity") == "identity" and _is_json(headers.get("content-type")):
        with suppress(ValueError):
            return from_json(body, allow_inf_nan=False)
    if 400 <= status < 500:
        return None
    raise PartnerFailed(Failure.MALFORMED)


def _is_json(content_type: str | None) -> bool:
    """Also when nothing is said: then the body alone decides."""
    kind = (content_type or "application/json").partition(";")[0].strip().lower()
    return kind in {"application/json", "text/json"} or kind.endswith("+json")


def _unwilling(status: int, retry_after: str) -> PartnerFailed:
    code = {429: Failure.RATE_LIMITED, 503: Failure.UNAVAILABLE, 504: Failure.TIMEOUT}.get(status, Failure.SERVER_ERROR)
    return PartnerFailed(code, detail=str(status), retry_after=_seconds(retry_after))


def _seconds(retry_after: str) -> float | None:
    """Retry-After as seconds, from a number or a date; nothing for nonsense."""
    if retry_after.isdecimal() and len(retry_after) < 10:
        return min(float(retry_after), _MAX_RETRY_AFTER)
    try:
        instant = parsedate_to_datetime(retry_after)
        wait = (instant - clock.now()).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait, 0.0), _MAX_RETRY_AFTER)


def _joined(base: httpx2.URL, target: str) -> str:
    """A link of a partner as an address on the host that gave it.

    Raises:
        PartnerFailed: "redirected", if it leads elsewhere; "malformed", if it is no address.
    """
    try:
        url = base.join(target)
        is_same = _origin(url) == _origin(base) or (url.scheme == "https" and url.host == base.host and not url.port)
    except (httpx2.InvalidURL, ValueError):
        raise PartnerFailed(Failure.MALFORMED) from None
    if not is_same or base.scheme == "https" != url.scheme or url.userinfo:
        raise PartnerFailed(Failure.REDIRECTED)
    return str(url)


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or _DEFAULT_PORTS.get(url.scheme)
