"""The page of every problem's code, of all services: `python -m bookwell.cli.problems_reference [FILE]` writes it."""

import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import bookwell.kit
import bookwell.notifier
import bookwell.partners
from bookwell.cli.management import set_up_library
from bookwell.kit.errors import DomainError
from bookwell.kit.problem_catalogue import domain_errors, problem_catalogue

__all__ = ["errors_by_service", "problems_page"]

_COMMAND = "python -m bookwell.cli.problems_reference"
_FLASK_ALONE = MappingProxyType(
    {
        "partners": (bookwell.partners, ("django", "fastapi", "celery", "sqlalchemy")),
        "notifier": (bookwell.notifier, ("django", "fastapi", "migrations")),
    }
)
"""Services without a reference of their own, with the modules that they do without."""


def errors_by_service() -> Mapping[str, list[type[DomainError]]]:
    """Every error of each service, and of the parts of the kit that it is made of."""
    set_up_library()
    from bookwell.library.api import reference as library  # noqa: PLC0415 -- Django must be set up first
    from bookwell.tables import reference as tables  # noqa: PLC0415 -- as heavy

    found = {"library": library.domain_errors(), "tables": tables.domain_errors()}
    for service, (package, unimported) in _FLASK_ALONE.items():
        found[service] = domain_errors((bookwell.kit, package), unimported=unimported)
    return found


def problems_page() -> str:
    """The page, as Markdown."""
    return problem_catalogue(errors_by_service(), command=_COMMAND)


def _main() -> None:
    file = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/problems.md")
    file.write_text(problems_page(), encoding="utf-8")


if __name__ == "__main__":
    _main()
