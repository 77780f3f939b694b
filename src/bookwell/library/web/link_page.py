"""The page behind a mail's link: one look, and words in its reader's language."""

from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from bookwell.kit.response_headers import PAGE_POLICY

__all__ = ["Words", "link_page", "words_in"]

Words = Mapping[str, Mapping[str, str]]
"""What a page says, by language and name; in English at least."""


def words_in(words: Words, language: str) -> Mapping[str, str]:
    """The words of a language, else the English ones."""
    return words.get(language, words["en"])


def link_page(
    request: HttpRequest,
    template: str,
    words: Words,
    *,
    state: str,
    language: str,
    status: int = 200,
    **content: object,
) -> HttpResponse:
    """A template that extends `link_page.html`: its form in the state `asked`, else the words of the state's name.

    `content` is for the template, and for the places in those words.
    """
    spoken = words_in(words, language)
    message = spoken.get(state, "").format_map(content)
    shown = {"state": state, "language": language, "words": spoken, "message": message}
    response = render(request, template, shown | content, status=status)
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    return response
