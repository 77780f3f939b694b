"""The language of a page for somebody whose account is not known."""

from django.http import HttpRequest

from bookwell.kit.negotiation import preferred_language
from bookwell.library.accounts.rules import LANGUAGES

__all__ = ["language_of"]


def language_of(request: HttpRequest) -> str:
    """What the browser prefers among our languages, else English."""
    return preferred_language(request.headers.get("Accept-Language", ""), LANGUAGES)
