from pathlib import Path

import pytest
from jinja2 import Environment, meta

from bookwell import notifier
from bookwell.contracts.messages import NOTICES
from bookwell.kit.languages import LANGUAGES

_TEMPLATES = Path(notifier.__file__).parent / "templates"
_GRAMMAR = {"plural", "ordinal"}
_NAMES = [*NOTICES, "letter", "booking", "endpoint"]


def test_templates__one_for_every_kind_and_language__and_none_left_over() -> None:
    expected = {f"{language}/{name}.jinja" for language in LANGUAGES for name in _NAMES}
    expected |= {"layout.txt.jinja", "layout.html.jinja"}

    found = {str(path.relative_to(_TEMPLATES)) for path in _TEMPLATES.rglob("*") if path.is_file()}

    assert found == expected


@pytest.mark.parametrize("name", _NAMES)
def test_templates__every_language__has_the_same_parts_and_tells_the_same_facts(name: str) -> None:
    environment = Environment(autoescape=True)
    parts, facts = {}, {}

    for language in LANGUAGES:
        source = (_TEMPLATES / language / f"{name}.jinja").read_text(encoding="utf-8")
        parts[language] = set(environment.from_string(source).blocks)
        facts[language] = meta.find_undeclared_variables(environment.parse(source)) - _GRAMMAR

    assert parts["en"] == parts["pl"] == parts["ru"]
    assert facts["en"] == facts["pl"] == facts["ru"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", _NAMES)
def test_templates__wording__holds_no_markup(name: str, language: str) -> None:
    source = (_TEMPLATES / language / f"{name}.jinja").read_text(encoding="utf-8")

    assert [mark for mark in ("<", "&", "safe") if mark in source] == []
