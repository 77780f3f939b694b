"""The page of problems tells the truth, and forgets none."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from bookwell.cli.problems_reference import problems_page

_ROOT = Path(__file__).parents[3]
_PAGE = _ROOT / "docs" / "problems.md"
_CATEGORIES = {"not_found", "conflict", "forbidden", "invalid", "unavailable"}
"""What no answer carries: every error is more than its category."""


def test_page__is_what_the_code_says() -> None:
    assert _PAGE.read_text(encoding="utf-8") == problems_page(), "run: python -m bookwell.cli.problems_reference"


def test_page__has_every_code_that_the_source_gives_an_error() -> None:
    listed = re.findall(r'<a id="(.*?)">', _PAGE.read_text(encoding="utf-8"))
    in_source = {code for file in (_ROOT / "src").rglob("*.py") for code in _codes_in(file)}

    assert len(listed) == len(set(listed)) > 100
    assert in_source - _CATEGORIES == set(listed)


def _codes_in(file: Path) -> Iterator[str]:
    """What classes of a module call their `code`, and what makes kinds of HTTP errors."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef):
            values = (each.value for each in node.body if isinstance(each, ast.Assign) and _names_code(each))
            yield from (each.value for each in values if isinstance(each, ast.Constant) and isinstance(each.value, str))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "HttpErrorKind":
            yield from (str(each.value) for each in node.args[1:2] if isinstance(each, ast.Constant))


def _names_code(assignment: ast.Assign) -> bool:
    return [each.id for each in assignment.targets if isinstance(each, ast.Name)] == ["code"]
