"""The way into a PAIA account: a token that is kept and renewed, and failures that come as success."""

from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

import anyio
from pydantic import Field, SecretStr

from bookwell.partners.adapters.daia.options import DaiaOptions
from bookwell.partners.adapters.protocol import Failure, PartnerFailed
from bookwell.partners.adapters.values import Answer
from bookwell.partners.adapters.wire import Reply, Wire, read_as

__all__ = ["PaiaAccount"]

_SCOPES = "read_items write_items"
_NOT_ALLOWED = frozenset({401, 403})
_STATUS_BY_NAME = {
    "invalid_grant": 401,
    "access_denied": 403,
    "insufficient_scope": 403,
    "not_found": 404,
    "invalid_request": 422,
    "internal_error": 500,
    "service_unavailable": 503,
}
_BY_CODE = {429: Failure.RATE_LIMITED, 503: Failure.UNAVAILABLE, 504: Failure.TIMEOUT}


class _Session(Answer):
    patron: str = Field(min_length=1, max_length=200)
    access_token: str = Field(min_length=1, max_length=4096, pattern=r"^[\x21-\x7e]+$")


@dataclass(slots=True)
class PaiaAccount:
    """Calls PAIA core as one patron. Whether a token is still good, the partner says: 401, 403, or either in a body."""

    wire: Wire
    auth_url: str
    core_url: str
    username: str
    password: SecretStr
    _session: _Session | None = None
    _logging_in: anyio.Lock | None = None

    @classmethod
    def of(cls, options: DaiaOptions, wire: Wire) -> Self | None:
        """The configured account, None without one."""
        if options.paia_auth_url is None or options.paia_core_url is None:
            return None
        if options.paia_username is None or options.paia_password is None:
            return None
        urls = options.paia_auth_url.rstrip("/"), options.paia_core_url.rstrip("/")
        return cls(wire, *urls, options.paia_username, options.paia_password)

    async def get(self, action: str) -> Any:
        """`GET {core}/{patron}/{action}`: its JSON."""
        return await self._call("GET", action, None)

    async def post(self, action: str, body: Any) -> Any:
        """`POST {core}/{patron}/{action}`: its JSON. Sent again only when it was not let in."""
        return await self._call("POST", action, body)

    async def _call(self, method: str, action: str, body: Any) -> Any:
        session = await self._logged_in(None)
        reply = await self._once(method, action, body, session)
        if _status(reply) in _NOT_ALLOWED:
            reply = await self._once(method, action, body, await self._logged_in(session))
        _check(reply)
        return reply.data

    async def _once(self, method: str, action: str, body: Any, session: _Session) -> Reply:
        url = f"{self.core_url}/{quote(session.patron, safe='')}/{action}"
        headers = {"Authorization": f"Bearer {session.access_token}"}
        return await self.wire.call(method, url, headers=headers, json=body)

    async def _logged_in(self, rejected: _Session | None) -> _Session:
        """The session, a new one when there is none or it was rejected; one log-in at a time."""
        if self._logging_in is None:
            self._logging_in = anyio.Lock()
        async with self._logging_in:
            if self._session is None or self._session is rejected:
                self._session = None
                self._session = await self._log_in()
            return self._session

    async def _log_in(self) -> _Session:
        form = {
            "grant_type": "password",
            "username": self.username,
            "password": self.password.get_secret_value(),
            "scope": _SCOPES,
        }
        reply = await self.wire.call("POST", f"{self.auth_url}/login", form=form)
        _check(reply)
        return read_as(_Session, reply.data)


def _status(reply: Reply) -> int:
    """The status of an answer, which may be an error's code in the body of a 200; its name where there is no code."""
    match reply.data:
        case {"error": str(), "code": int(code)} if 400 <= code < 600 and reply.status < 300:
            return code
        case {"error": str(name)} if reply.status < 300:
            return _STATUS_BY_NAME.get(name, reply.status)
    return reply.status


def _check(reply: Reply) -> None:
    status = _status(reply)
    if status in _NOT_ALLOWED:
        raise PartnerFailed(Failure.UNAUTHORIZED)
    if status == 429 or status >= 500:
        raise PartnerFailed(_BY_CODE.get(status, Failure.SERVER_ERROR), detail=str(status))
    if status >= 300:
        raise PartnerFailed(Failure.REJECTED, detail=str(status))
