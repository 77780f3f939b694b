"""The API's reference, generated from the code: `python -m bookwell.library.api.reference [FOLDER]` writes it.

`openapi.json` is the document that the service answers. The codes of all services' problems are on one page, which
`bookwell.cli.problems_reference` writes.
"""

import json
import os
import sys
from pathlib import Path

import django

import bookwell.kit
import bookwell.library
from bookwell.kit import problem_catalogue
from bookwell.kit.errors import DomainError

__all__ = ["domain_errors", "reference_files"]

_UNIMPORTED = ("migrations", "management", "wsgi", "mysql", "__main__", "reference")


def reference_files() -> dict[str, str]:
    """The content of each generated file by its name."""
    from bookwell.library.api.app import api  # noqa: PLC0415 -- Django must be set up first

    document = json.dumps(api.get_openapi_schema(), indent=1, ensure_ascii=False, sort_keys=True)
    return {"openapi.json": document + "\n"}


def domain_errors() -> list[type[DomainError]]:
    """Every error of the domain, by code; where two contexts raise one code, the first by its module's name."""
    return problem_catalogue.domain_errors((bookwell.kit, bookwell.library), unimported=_UNIMPORTED)


def _main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookwell.library.config.settings")
    django.setup()
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/api")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in reference_files().items():
        (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    _main()
