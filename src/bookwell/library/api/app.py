"""The library's HTTP API: every resource's router, under the conventions of `ProblemAPI`."""

from django.conf import settings
from ninja.errors import AuthenticationError
from ninja.openapi.docs import Swagger

from bookwell.kit.adapters.django.http.api import ProblemAPI
from bookwell.kit.adapters.django.http.throttle import CallerThrottle
from bookwell.library.accounts.queries import SessionEnded
from bookwell.library.api import (
    audit,
    availability,
    books,
    branches,
    copies,
    desk,
    logs,
    me,
    policies,
    reservations,
    session,
    users,
)

api = ProblemAPI(
    title="Bookwell library",
    version="1",
    description="Books, readers and reservations of a library network. Every error is a problem document (RFC 9457).",
    urls_namespace="api",
    openapi_url="/openapi.json",
    docs_url="/docs",
    docs=Swagger(settings={"persistAuthorization": True}),
    throttle=CallerThrottle(limit=settings.RATE_LIMIT_PER_MINUTE),
)

api.add_exception_handler(SessionEnded, lambda request, _error: api.on_exception(request, AuthenticationError()))

api.add_router("/reservations", reservations.router)
api.add_router("/desk", desk.router)
api.add_router("", copies.router)
api.add_router("/books", books.router)
api.add_router("/books", availability.router)
api.add_router("/branches", branches.router)
api.add_router("/closures", branches.closures_router)
api.add_router("/policies", policies.router)
api.add_router("/audit", audit.router)
api.add_router("/logs", logs.router)
api.add_router("", session.router)
api.add_router("/me", me.router)
api.add_router("/users", users.router)
