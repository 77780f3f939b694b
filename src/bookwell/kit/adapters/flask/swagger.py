"""Swagger UI of a Flask service."""

from flask import Flask, Response, send_from_directory

from bookwell.kit.swagger import DOCS_PREFIX, FRESH_SECONDS, POLICY, START, page_of, swagger_folder

__all__ = ["DOCS_PREFIX", "install_swagger"]


def install_swagger(app: Flask, title: str) -> None:
    """Add `/docs`, which shows `/openapi.json`."""
    files = swagger_folder()

    def page() -> Response:
        return Response(page_of(title), headers={"Content-Security-Policy": POLICY}, mimetype="text/html")

    def start() -> Response:
        return Response(START, mimetype="text/javascript")

    def file(name: str) -> Response:
        return send_from_directory(files, name, max_age=FRESH_SECONDS)

    app.add_url_rule(DOCS_PREFIX, view_func=page, endpoint="swagger_page", methods=["GET"])
    app.add_url_rule(f"{DOCS_PREFIX}/start.js", view_func=start, endpoint="swagger_start", methods=["GET"])
    app.add_url_rule(f"{DOCS_PREFIX}/files/<path:name>", view_func=file, endpoint="swagger_file", methods=["GET"])
