"""The documents of partners and notifier are those that they answer."""

import json
from pathlib import Path

import pytest

from bookwell.cli.api_reference import api_documents

_FOLDER = Path(__file__).parents[3] / "docs" / "api"


@pytest.mark.parametrize("name", ["notifier.json", "partners.json"])
def test_document__is_what_the_service_answers(name: str) -> None:
    written = (_FOLDER / name).read_text(encoding="utf-8")

    assert written == api_documents()[name], "run: python -m bookwell.cli.api_reference"
    assert json.loads(written)["openapi"].startswith("3.1")
