"""What documents point to is there."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

_ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(<?([^)>\s]+)>?\)")
_FENCED = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
_MERMAID = re.compile(r"```mermaid\n(.*?)```", re.DOTALL)
_PAGES = sorted([*_ROOT.glob("*.md"), *_ROOT.glob("docs/**/*.md"), *_ROOT.glob("deploy/**/*.md")])


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(_ROOT)))
def test_page__every_link__leads_somewhere(page: Path) -> None:
    lost = [link for link in _links(page) if not _is_there(page, link)]

    assert lost == []


def test_link__to_what_is_not_there__is_found() -> None:
    readme = _ROOT / "README.md"

    assert _is_there(readme, "docs/partners.md#settings")
    assert not _is_there(readme, "docs/nothing.md")
    assert not _is_there(readme, "docs/partners.md#nothing")
    assert not _is_there(readme, "#nothing")


def test_architecture__every_name_in_its_diagrams__is_in_the_code() -> None:
    diagrams = "".join(_MERMAID.findall((_ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")))
    source = "".join(file.read_text(encoding="utf-8") for file in (_ROOT / "src").rglob("*.py"))
    names = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", diagrams))

    assert {"place_reservation", "accept_booking"} <= names
    assert {name for name in names if not re.search(rf"\b{name}\b", source)} == set()


def _links(page: Path) -> Iterator[str]:
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    return (link for link in _LINK.findall(text) if not re.match(r"[a-z]+:", link))


def _is_there(page: Path, link: str) -> bool:
    path, _, anchor = unquote(link).partition("#")
    target = (page.parent / path).resolve() if path else page
    return target.exists() and (not anchor or anchor in set(_anchors(target)))


def _anchors(page: Path) -> Iterator[str]:
    """Of headings, as forges make them, and those that are written out."""
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    yield from re.findall(r'<a id="([^"]+)">', text)
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower())
        yield words.replace(" ", "-")
