"""What documents tell people to type is there: commands with options, variables, targets, files, paths of the APIs."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from django.core.management import get_commands, load_command_class
from typer.main import get_command

from bookwell.cli.composition import QUEUES
from bookwell.cli.main import app
from bookwell.cli.management import MIGRATIONS
from bookwell.cli.service_settings import SERVICES
from bookwell.cli.unread_variables import unread_variables

_ROOT = Path(__file__).parents[2]
_PAGES = sorted(
    {*_ROOT.glob("*.md"), *_ROOT.glob("docs/**/*.md"), *_ROOT.glob("deploy/**/*.md")} - {_ROOT / "CHANGELOG.md"}
)
_FENCED = re.compile(r"^ *```(?:sh|ini|text)?\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_ANY_FENCED = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`([^`]+)`")
# At the beginning of a line, behind another command, by its path, in a container, in a unit's file.
_COMMAND = re.compile(
    r"(?:(?:^|[&|;(]) *(?:\S*/bin/)?bookwell|run --rm (?:--volume \S+ )?prepare|^echo 'COMMAND=)[ =]([a-z][^#&|;'\n]*)",
    re.MULTILINE,
)
_PLACEHOLDER = re.compile(r"[^a-z-]|^$")
"""Words that stand for others: `NAME`, `QUEUE…`, files."""
_ONE_OF: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "serve": frozenset({*SERVICES, "simulators"}),
        "worker": frozenset(QUEUES),
        "migrate": frozenset(MIGRATIONS),
        "prepare": frozenset(MIGRATIONS),
        "scheduler": frozenset({"library", "tables"}),
    }
)
_OF_DJANGO: Mapping[str, str] = MappingProxyType(
    {
        "import": "import_catalog",
        "create-admin": "create_admin",
        "clients add": "add_client",
        "clients list": "list_clients",
        "clients rotate": "rotate_client",
        "clients revoke": "revoke_client",
    }
)
"""Commands whose arguments a management command of the library reads."""
_BRACES = re.compile(r"\{([^{}]+)\}")
_OPERATION = re.compile(r"^(GET|POST|PUT|PATCH|DELETE) (/[^ ?]*)")
_OF_SIMULATORS = ("/backoffice", "/control/")
_DOCUMENTS = ("openapi.json", "tables.json", "partners.json", "notifier.json")
_METHODS = frozenset({"get", "post", "put", "patch", "delete"})


def _named(page: Path) -> str:
    return str(page.relative_to(_ROOT))


@pytest.mark.parametrize("page", _PAGES, ids=_named)
def test_page__every_command__is_there_with_its_options(page: Path) -> None:
    wrong = {line: problem for line in _commands(page) if (problem := _problem(line))}

    assert wrong == {}


@pytest.mark.parametrize(
    "line", ["ups", "up --dome", "clients make", "clients add NAME --scopes x", "serve libary", "tables clients ad"]
)
def test_command__that_is_not_there__is_found(line: str) -> None:
    assert _problem(line)


@pytest.mark.parametrize("page", _PAGES, ids=_named)
def test_page__every_variable__is_read_by_somebody(page: Path, tmp_path: Path) -> None:
    named = re.findall(r"BOOKWELL(?:_(?:[A-Z0-9]+|\{[A-Z,]+\}))+(?![A-Z0-9_*{])", page.read_text(encoding="utf-8"))
    names = {name for each in named for name in _spread(each)}

    assert list(unread_variables(dict.fromkeys(names, ""), tmp_path)) == []


@pytest.mark.parametrize("page", _PAGES, ids=_named)
def test_page__every_target_of_make__is_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (_ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {name for text in _code(page) for name in re.findall(r"(?:^|&& )make ([a-z-]+)", text, re.MULTILINE)}

    assert named - targets == set()


@pytest.mark.parametrize("page", _PAGES, ids=_named)
def test_page__every_file_of_ours__is_there(page: Path) -> None:
    words = [word for text in _code(page) for word in text.split()]
    named = {word for word in words if re.fullmatch(r"(src|tests|docs|deploy|tools|bench|kit|cli)/[\w./-]*", word)}
    places = (_ROOT, _ROOT / "src" / "bookwell")

    assert [name for name in sorted(named) if not any((place / name).exists() for place in places)] == []


@pytest.mark.parametrize("page", _PAGES, ids=_named)
def test_page__every_operation__is_in_a_document_of_the_apis(page: Path) -> None:
    operations = list(_operations())
    named = [found.groups() for text in _inline(page) if (found := _OPERATION.match(text))]
    ours = [(method, path) for method, path in named if not path.startswith(_OF_SIMULATORS)]

    assert [each for each in ours if not any(_is_same(each, operation) for operation in operations)] == []


def _code(page: Path) -> Iterator[str]:
    yield from _FENCED.findall(page.read_text(encoding="utf-8"))
    yield from _inline(page)


def _inline(page: Path) -> Iterator[str]:
    text = _ANY_FENCED.sub("", page.read_text(encoding="utf-8"))
    return (" ".join(found.split()) for found in _INLINE.findall(text))


def _commands(page: Path) -> Iterator[str]:
    for text in _code(page):
        joined = re.sub(r"^ +", "", text.replace("\\\n", " ").replace("\\|", "|"), flags=re.MULTILINE)
        yield from (line.strip() for line in _COMMAND.findall(joined))


def _problem(line: str) -> str | None:
    """What is wrong with the words behind `bookwell`."""
    words = shlex.split(re.sub(r"[\[\]]", "", line))
    command: Any = get_command(app)
    path: list[str] = []
    while (commands := getattr(command, "commands", None)) and words and words[0] != "--help":
        name = words.pop(0)
        if name not in commands:
            return f"no command {name}"
        path.append(name)
        command = commands[name]
    options = _options(" ".join(path), command)
    if wrong := [word for word in words if word.startswith("-") and word.partition("=")[0] not in options]:
        return f"no option {', '.join(wrong)}"
    return _wrong_word(path, words)


def _wrong_word(path: list[str], words: list[str]) -> str | None:
    before_options = words[: next((place for place, word in enumerate(words) if word.startswith("-")), len(words))]
    choice = _ONE_OF.get(" ".join(path))
    wrong = [word for word in before_options if choice and not _PLACEHOLDER.search(word) and word not in choice]
    return f"no choice {', '.join(wrong)}" if wrong else None


def _options(path: str, command: Any) -> set[str]:
    found = {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {"--help"}
    if path in _OF_DJANGO:
        name = _OF_DJANGO[path]
        parser = load_command_class(get_commands()[name], name).create_parser("bookwell", name)
        found |= set(parser._option_string_actions)  # noqa: SLF001 -- there is no other list of them
    return found


def _spread(name: str) -> Iterator[str]:
    """`A_{B,C}` as `A_B` and `A_C`."""
    braces = _BRACES.search(name)
    if braces is None:
        yield name
        return
    for choice in braces[1].split(","):
        yield from _spread(name[: braces.start()] + choice + name[braces.end() :])


def _operations() -> Iterator[tuple[str, str]]:
    for name in _DOCUMENTS:
        document = json.loads((_ROOT / "docs" / "api" / name).read_text(encoding="utf-8"))
        for path, item in document["paths"].items():
            yield from ((method.upper(), path) for method in item if method in _METHODS)


def _is_same(named: tuple[str, ...], operation: tuple[str, str]) -> bool:
    """Whether an operation is meant: what stands for a part of its path may be named in any way."""
    method, path = operation
    return named[0] == method and bool(re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", path), named[1]))
