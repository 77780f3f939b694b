"""The library's HTTP API."""

from ninja import NinjaAPI

api = NinjaAPI(
    title="Bookwell library", version="1", urls_namespace="api", docs_url="/docs", openapi_url="/openapi.json"
)
