"""A FastAPI application with nothing around it: `/bare/` answers 1 kB of JSON, `/lean/` does an order's transaction."""

import datetime as dt
import os
import threading
from typing import Annotated, Any

from fastapi import Body, FastAPI
from fastapi.responses import JSONResponse

from bench.order_transaction import RawOrders

__all__ = ["application"]

_CONTENT = {"items": [{"id": number, "name": f"A table of number {number:04}"} for number in range(22)]}
_local = threading.local()

application = FastAPI(openapi_url=None)


@application.get("/bare/")
async def bare() -> JSONResponse:
    """About 1 kB of JSON."""
    return JSONResponse(_CONTENT)


@application.post("/lean/")
def lean(wanted: Annotated[dict[str, Any], Body()]) -> JSONResponse:
    """The raw transaction of an order, in a thread, which has a connection of its own."""
    raw: RawOrders | None = getattr(_local, "raw", None)
    if raw is None:
        raw = _local.raw = RawOrders(os.environ["BOOKWELL_TABLES_DATABASE_URL"])
    starts_at = int(dt.datetime.fromisoformat(wanted["starts_at"]).timestamp() * 1000)
    booking_id = raw.order(table_id=wanted["id"], starts_at=starts_at)
    return JSONResponse({"id": booking_id, "state": "requested"}, status_code=201)
