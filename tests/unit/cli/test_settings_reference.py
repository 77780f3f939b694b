"""The page of settings tells the truth."""

from pathlib import Path

import pytest

from bookwell.cli.settings_reference import settings_reference, variables

_PAGE = Path(__file__).parents[3] / "docs" / "settings.md"


def test_page__is_what_the_code_says() -> None:
    assert _PAGE.read_text(encoding="utf-8") == settings_reference(), "run: python -m bookwell.cli.settings_reference"


@pytest.mark.parametrize("variable", variables())
def test_variable__says_what_it_is_for(variable: str) -> None:
    field, _ = variables()[variable]

    assert field.description, variable
