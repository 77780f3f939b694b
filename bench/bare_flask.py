"""A Flask application with one view that answers about 1 kB of JSON: the ceiling for the partners service."""

from flask import Flask, Response, jsonify

__all__ = ["application"]

_CONTENT = {"items": [{"id": number, "title": f"A book of number {number:04}"} for number in range(22)]}

application = Flask(__name__, static_folder=None)


@application.get("/bare/")
def bare() -> Response:
    """About 1 kB of JSON."""
    return jsonify(_CONTENT)
