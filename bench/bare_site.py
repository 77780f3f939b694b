"""A Django site with no middleware and no applications: `/bare/` answers 1 kB of JSON, `/lean/` reserves.

`application` is what a server loads. `/lean/` reads the same request as `POST /api/reservations/` (its reader from a
header) and does the raw transaction; the connection stays open, one for each thread.
"""

import json
import os
import threading

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, JsonResponse
from django.urls import path

from bench.reservation_transaction import RawConnection

__all__ = ["application", "bare", "lean"]

settings.configure(
    SECRET_KEY="bench",  # noqa: S106 -- protects nothing
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[],
    INSTALLED_APPS=[],
)

_CONTENT = {"items": [{"id": number, "title": f"A book of number {number:04}"} for number in range(22)]}
_local = threading.local()


def bare(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 -- Django passes it
    """About 1 kB of JSON."""
    return JsonResponse(_CONTENT)


def lean(request: HttpRequest) -> JsonResponse:
    """The raw reservation transaction and its answer."""
    connection: RawConnection | None = getattr(_local, "connection", None)
    if connection is None:
        connection = _local.connection = RawConnection(os.environ["BOOKWELL_LIBRARY_DATABASE_URL"])
    book_id = json.loads(request.body)["book_id"]
    reader_id = int(request.headers["X-Reader"])
    reservation_id = connection.reserve(reader_id=reader_id, book_id=book_id)
    content = {"id": reservation_id, "book_id": book_id, "reader_id": reader_id, "state": "waiting"}
    return JsonResponse(content, status=201)


urlpatterns = [path("bare/", bare), path("lean/", lean), path("api/reservations/", lean)]

django.setup()
application = WSGIHandler()
