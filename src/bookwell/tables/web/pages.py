"""Renders the guests' pages: HTML without scripts, in the guest's language, under a strict policy."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bookwell.kit.languages import LANGUAGES
from bookwell.kit.negotiation import preferred_language
from bookwell.kit.response_headers import PAGE_POLICY
from bookwell.tables.web.words import LANGUAGE_NAMES, WORDS

__all__ = ["STYLESHEET", "language_of", "page", "stylesheet"]

STYLESHEET = "/pages/guests.css"
_HERE = Path(__file__).parent
_HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language",
}


def language_of(request: Request, *, asked: str, otherwise: str = "") -> str:
    """The language of a page: what the link says, else the booking's, else the browser's."""
    for language in (asked, otherwise):
        if language in LANGUAGES:
            return language
    return preferred_language(request.headers.get("Accept-Language", ""), LANGUAGES)


def page(template: str, *, language: str, status: int = 200, **content: Any) -> Response:
    """A page of a template, which gets `content` and the words of the language."""
    known: Mapping[str, Any] = {
        "language": language,
        "languages": LANGUAGE_NAMES,
        "words": WORDS[language],
        "stylesheet": STYLESHEET,
    }
    text = _environment().get_template(template).render(**known, **content)
    return HTMLResponse(text, status_code=status, headers=_HEADERS | {"Content-Language": language})


def stylesheet() -> Response:
    """What all pages look like."""
    return Response(_style(), media_type="text/css", headers={"Cache-Control": "public, max-age=3600"})


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _style() -> bytes:
    return (_HERE / "guests.css").read_bytes()
