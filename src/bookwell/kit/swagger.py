"""Swagger UI from files of the service alone, under a policy that lets no inline script run.

The files are those of the package flask-openapi-swagger, which is found and never imported.
"""

from importlib.util import find_spec
from pathlib import Path

__all__ = ["DOCS_PREFIX", "FRESH_SECONDS", "POLICY", "START", "page_of", "swagger_folder"]

DOCS_PREFIX = "/docs"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page's Content-Security-Policy."""
FRESH_SECONDS = 86_400
"""How long a browser keeps the files."""
START = b"""SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", persistAuthorization: true})
"""
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


def page_of(title: str) -> str:
    """The page at `/docs`, which shows `/openapi.json`; a title needs no escaping."""
    return _PAGE.format(title=title)


def swagger_folder() -> Path:
    """Where the files are.

    Raises:
        RuntimeError: if their package is not installed.
    """
    found = find_spec("flask_openapi_swagger")
    if found is None or found.origin is None:
        raise RuntimeError("flask-openapi-swagger is not installed")
    return Path(found.origin).parent / "templates" / "swagger"
