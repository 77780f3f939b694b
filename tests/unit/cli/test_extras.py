"""Each service starts with the packages of its own extra alone, as its image has them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

_FRAMEWORKS = {"django", "ninja", "flask", "fastapi", "celery", "alembic", "jinja2", "babel", "redis", "httpx2"}
_STARTED = {
    "library": ["bookwell.library.config.wsgi"],
    "partners": ["bookwell.partners.app", "bookwell.simulators.running"],
    "tables": ["bookwell.tables.app", "bookwell.tables.migrating"],
    "notifier": ["bookwell.notifier.app", "bookwell.notifier.migrating"],
}
_OF_ALL = ["bookwell.cli.main", "bookwell.cli.server", "bookwell.cli.preparing", "psycopg", "pymysql"]
"""And the drivers of all databases: whatever the service's own is, log records may lie in another."""
_WITHOUT = """
import importlib, json, sys

refused, wanted = json.loads(sys.argv[1])

class Refusal:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            raise ModuleNotFoundError(f"{name} is not in the extra", name=name)

sys.meta_path.insert(0, Refusal())
for name in wanted:
    importlib.import_module(name)
"""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _needed(name: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> Iterator[str]:
    """The distributions that one needs, with those that they need."""
    if (name, extras) in seen:
        return
    seen.add((name, extras))
    yield name
    try:
        lines = requires(name) or []
    except PackageNotFoundError:  # for another system or another Python
        return
    for line in lines:
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in (extras or {""})):
            yield from _needed(_normal(requirement.name), frozenset(requirement.extras), seen)


@pytest.mark.parametrize("service", _STARTED)
def test_service__with_its_extra_alone__can_be_imported(service: str, tmp_path: Path) -> None:
    there = set(_needed("bookwell", frozenset({service}), set()))
    refused = [
        module
        for module, distributions in packages_distributions().items()
        if not {_normal(each) for each in distributions} & there
    ]
    environment = os.environ | {"BOOKWELL_DATA_DIR": str(tmp_path), "BOOKWELL_LOG_DATABASE_LEVEL": "OFF"}

    wanted = json.dumps([refused, [*_OF_ALL, *_STARTED[service]]])
    done = subprocess.run(  # noqa: S603 -- our own program
        [sys.executable, "-c", _WITHOUT, wanted], env=environment, capture_output=True, text=True, check=False
    )

    assert len(refused) > len(_FRAMEWORKS)
    assert done.returncode == 0, done.stderr[-2000:]


def test_command_line__loads_no_framework_before_a_command_is_chosen() -> None:
    program = "import sys, bookwell.cli.main; print(*{name.partition('.')[0] for name in sys.modules})"

    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()  # noqa: S603

    assert "bookwell" in loaded
    assert not _FRAMEWORKS & set(loaded)
