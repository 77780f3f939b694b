"""The library's HTTP API: every resource's router, under the conventions of `ProblemAPI`."""

from ninja.openapi.docs import Swagger

from bookwell.kit.adapters.django.http.api import ProblemAPI
from bookwell.kit.adapters.django.http.throttle import CallerThrottle

api = ProblemAPI(
    title="Bookwell library",
    version="1",
    description="Books, readers and reservations of a library network. Every error is a problem document (RFC 9457).",
    urls_namespace="api",
    openapi_url="/openapi.json",
    docs_url="/docs",
    docs=Swagger(settings={"persistAuthorization": True}),
    throttle=CallerThrottle(),
)
