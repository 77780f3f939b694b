"""Documents of the HTTP APIs of partners and notifier: `python -m bookwell.cli.api_reference [FOLDER]` writes them.

Library and tables have references of their own (`bookwell.library.api.reference`, `bookwell.tables.reference`).
"""

import json
import sys
from pathlib import Path

from flask import Flask

from bookwell.kit.tokens import TokenVerifier
from bookwell.notifier import app as notifier
from bookwell.notifier.settings import NotifierSettings
from bookwell.partners import app as partners
from bookwell.partners.gateway import Gateway
from bookwell.partners.loop import PerProcess
from bookwell.partners.settings import PartnersSettings

__all__ = ["api_documents"]


def api_documents() -> dict[str, str]:
    """The document that each service answers in production, by the name of its file."""
    nobody = TokenVerifier([])
    settings = PartnersSettings()
    gateway = PerProcess(lambda: Gateway(settings, ()))
    return {
        "partners.json": _document_of(partners.make_app(settings, gateway, verifier=nobody)),
        "notifier.json": _document_of(
            notifier.make_app(NotifierSettings().model_copy(update={"mode": "production"}), verifier=nobody)
        ),
    }


def _document_of(app: Flask) -> str:
    document = app.test_client().get("/openapi.json").get_json()
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/api")
    for name, content in api_documents().items():
        (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    _main()
