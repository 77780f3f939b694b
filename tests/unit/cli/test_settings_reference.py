"""The page of settings tells the truth."""

import re
from pathlib import Path

import pytest

from bookwell.cli.settings_reference import ELSEWHERE, settings_reference, variables

_ROOT = Path(__file__).parents[3]
_PAGE = _ROOT / "docs" / "settings.md"
_NAME = re.compile(r"BOOKWELL(?:_[A-Z0-9]+)+(?![A-Z0-9_*{])")
_READERS = ("src/**/*.py", "src/**/*.html", "deploy/**/*", "compose*.yaml", ".env.example")


def test_page__is_what_the_code_says() -> None:
    assert _PAGE.read_text(encoding="utf-8") == settings_reference(), "run: python -m bookwell.cli.settings_reference"


def test_names__wherever_they_are_read__stand_on_the_page() -> None:
    files = {file for pattern in _READERS for file in _ROOT.glob(pattern) if file.is_file() and file.suffix != ".pyc"}
    named = {name for file in files for name in _NAME.findall(file.read_text(encoding="utf-8"))}

    listed = set(_NAME.findall(_PAGE.read_text(encoding="utf-8")))
    unknown = {name for name in named - listed if name.removesuffix("_FILE") not in listed}
    of_nobody = {name for names in ELSEWHERE.values() for name in names} - named

    assert len(named) > 50
    assert (unknown, of_nobody) == (set(), set())


@pytest.mark.parametrize("variable", variables())
def test_variable__says_what_it_is_for(variable: str) -> None:
    field, _ = variables()[variable]

    assert field.description, variable
