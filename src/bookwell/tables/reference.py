"""The API's reference, generated from the code: `python -m bookwell.tables.reference [FOLDER]` writes it.

`tables.json` is the document that the service answers. The codes of all services' problems are on one page, which
`bookwell.cli.problems_reference` writes.
"""

import json
import sys
from pathlib import Path

import bookwell.kit
import bookwell.tables
from bookwell.kit import problem_catalogue
from bookwell.kit.errors import DomainError
from bookwell.tables.app import create_app
from bookwell.tables.settings import TablesSettings

__all__ = ["domain_errors", "reference_files"]

_UNIMPORTED = ("migrations", "__main__", "reference", "django", "flask", "celery")


def reference_files() -> dict[str, str]:
    """The content of each generated file by its name."""
    document = create_app(TablesSettings()).openapi()
    shown = json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True)
    return {"tables.json": shown + "\n"}


def domain_errors() -> list[type[DomainError]]:
    """Every error of the service and of what it is made of, by code."""
    return problem_catalogue.domain_errors((bookwell.kit, bookwell.tables), unimported=_UNIMPORTED)


def _main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/api")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in reference_files().items():
        (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    _main()
