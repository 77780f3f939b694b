"""Swagger UI from files of this service alone, under a policy that lets no inline script run."""

from importlib.util import find_spec
from pathlib import Path

from flask import Flask, Response, send_from_directory

__all__ = ["DOCS_PREFIX", "install_swagger"]

DOCS_PREFIX = "/docs"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<link rel="stylesheet" href="docs/files/css/swagger-ui.css">
<script src="docs/files/js/swagger-ui-bundle.js" defer></script>
<script src="docs/start.js" defer></script>
</head>
<body><div id="swagger-ui"></div></body>
</html>
"""
_START = b"""SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", persistAuthorization: true})
"""
_FRESH_SECONDS = 86_400


def install_swagger(app: Flask, title: str) -> None:
    """Add `/docs`, which shows `/openapi.json`. The files come from flask-openapi-swagger."""
    found = find_spec("flask_openapi_swagger")
    if found is None or found.origin is None:
        raise RuntimeError("flask-openapi-swagger is not installed")
    files = Path(found.origin).parent / "templates" / "swagger"

    def page() -> Response:
        return Response(_PAGE.format(title=title), headers={"Content-Security-Policy": _POLICY}, mimetype="text/html")

    def start() -> Response:
        return Response(_START, mimetype="text/javascript")

    def file(name: str) -> Response:
        return send_from_directory(files, name, max_age=_FRESH_SECONDS)

    app.add_url_rule(DOCS_PREFIX, view_func=page, endpoint="swagger_page", methods=["GET"])
    app.add_url_rule(f"{DOCS_PREFIX}/start.js", view_func=start, endpoint="swagger_start", methods=["GET"])
    app.add_url_rule(f"{DOCS_PREFIX}/files/<path:name>", view_func=file, endpoint="swagger_file", methods=["GET"])
