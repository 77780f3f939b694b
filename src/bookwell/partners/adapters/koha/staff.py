"""Calls of Koha's REST API with a staff account: Basic, or a token of an OAuth client that is kept and renewed."""

import base64
from collections.abc import Mapping
from typing import Any

import anyio
from pydantic import Field
from pydantic_core import to_json

from bookwell.partners.adapters.koha.options import KohaOptions
from bookwell.partners.adapters.koha.records import Biblio, Checkout, Hold, Item
from bookwell.partners.adapters.protocol import Failure, PartnerFailed
from bookwell.partners.adapters.values import Answer
from bookwell.partners.adapters.wire import Reply, Wire, read_as, with_query

__all__ = ["KohaStaff", "error_of"]

_PER_PAGE = 100
_MAX_PAGES = 20


class _Token(Answer):
    access_token: str = Field(min_length=1, max_length=4096, pattern=r"^[\x21-\x7e]+$")


class KohaStaff:
    """The calls that the adapter needs; their answers are checked, lists are read to their end."""

    def __init__(self, wire: Wire, options: KohaOptions) -> None:
        self._wire = wire
        self._options = options
        self._url = options.url.rstrip("/")
        self._authorization: str | None = None
        self._logging_in: anyio.Lock | None = None

    async def biblios(self, isbn_form: str) -> list[Biblio]:
        """Records whose ISBN field contains this text."""
        rows = await self._listed("/biblios", {"isbn": {"-like": f"%{isbn_form}%"}})
        return [read_as(Biblio, row) for row in rows]

    async def items(self, biblio_id: int) -> list[Item]:
        """All copies of a record."""
        return [read_as(Item, row) for row in await self._listed(f"/biblios/{biblio_id}/items", {})]

    async def holds_on(self, biblio_id: int) -> list[Hold]:
        """All open holds on a record, whoever's."""
        rows = [read_as(Hold, row) for row in await self._listed("/holds", {"biblio_id": biblio_id})]
        return [hold for hold in rows if hold.biblio_id == biblio_id]

    async def holds_of(self, patron_id: int, notes: str) -> list[Hold]:
        """A patron's open holds whose notes contain this text, and maybe others: a filter may be ignored."""
        rows = await self._listed(f"/patrons/{patron_id}/holds", {"notes": {"-like": f"%{notes}%"}})
        return [read_as(Hold, row) for row in rows]

    async def old_holds_of(self, patron_id: int, notes: str) -> list[Hold]:
        """The same of a patron's holds that are over; nothing from a Koha that cannot tell (its bug 35353)."""
        try:
            rows = await self._listed(f"/patrons/{patron_id}/holds", {"notes": {"-like": f"%{notes}%"}}, old="true")
        except PartnerFailed as failure:
            if failure.code is not Failure.REJECTED:
                raise
            return []
        return [read_as(Hold, row) for row in rows]

    async def checkouts_of(self, patron_id: int, item_id: int) -> list[Checkout]:
        """A patron's loans of a copy that have not ended, and maybe others; none where we may not see loans."""
        try:
            rows = await self._listed("/checkouts", {"item_id": item_id}, patron_id=str(patron_id))
        except PartnerFailed as failure:
            if failure.code is not Failure.UNAUTHORIZED:
                raise
            return []
        return [read_as(Checkout, row) for row in rows]

    async def call(self, method: str, path: str, body: Any = None) -> Reply:
        """One call; sent again, with a new token, only when it was not let in.

        Raises:
            PartnerFailed: "unauthorized", besides what `Wire.call` raises.
        """
        used = await self._authorized(None)
        reply = await self._once(method, path, body, used)
        if reply.status == 401 and self._options.client_id is not None:
            reply = await self._once(method, path, body, await self._authorized(used))
        if reply.status == 401:
            raise PartnerFailed(Failure.UNAUTHORIZED)
        return reply

    async def _listed(self, path: str, wanted: Mapping[str, Any], **more: str) -> list[Any]:
        """All rows of a list, page by page until one is not full."""
        rows: list[Any] = []
        for number in range(1, _MAX_PAGES + 1):
            arguments = {"_page": str(number), "_per_page": str(_PER_PAGE), **more}
            if wanted:
                arguments["q"] = to_json(wanted).decode()
            reply = await self.call("GET", with_query(path, **arguments))
            if reply.status == 403:
                raise PartnerFailed(Failure.UNAUTHORIZED)
            if reply.status >= 300:
                raise PartnerFailed(Failure.REJECTED, detail=str(reply.status))
            if not isinstance(reply.data, list):
                raise PartnerFailed(Failure.MALFORMED)
            rows += reply.data
            if len(rows) > _PER_PAGE * _MAX_PAGES:
                break
            if len(reply.data) < _PER_PAGE and not _has_more(reply, len(rows)):
                return rows
        raise PartnerFailed(Failure.TOO_LARGE)

    async def _once(self, method: str, path: str, body: Any, authorization: str) -> Reply:
        headers = {"Authorization": authorization}
        return await self._wire.call(method, f"{self._url}{path}", headers=headers, json=body)

    async def _authorized(self, rejected: str | None) -> str:
        """The Authorization header, a new one when there is none or it was rejected; one log-in at a time."""
        if self._options.username is not None and self._options.password is not None:
            pair = f"{self._options.username}:{self._options.password.get_secret_value()}"
            return f"Basic {base64.b64encode(pair.encode()).decode()}"
        if self._logging_in is None:
            self._logging_in = anyio.Lock()
        async with self._logging_in:
            if self._authorization is None or self._authorization == rejected:
                self._authorization = None
                self._authorization = await self._log_in()
            return self._authorization

    async def _log_in(self) -> str:
        secret = self._options.client_secret
        form = {
            "grant_type": "client_credentials",
            "client_id": self._options.client_id or "",
            "client_secret": secret.get_secret_value() if secret else "",
        }
        reply = await self._wire.call("POST", f"{self._url}/oauth/token", form=form)
        if reply.status >= 300:
            raise PartnerFailed(Failure.UNAUTHORIZED)
        return f"Bearer {read_as(_Token, reply.data).access_token}"


def error_of(reply: Reply) -> str:
    """Koha's words about what it refused."""
    match reply.data:
        case {"error": str(words)}:
            return words
    return ""


def _has_more(reply: Reply, count: int) -> bool:
    """A server may give less on a page than it was asked for."""
    total = reply.headers.get("x-total-count", "")
    return bool(reply.data) and total.isdecimal() and len(total) < 10 and int(total) > count
