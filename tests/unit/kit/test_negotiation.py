"""Which language and which media type a caller would rather have."""

import pytest

from bookwell.kit.negotiation import preferred_language, preferred_type

OFFERED = ("en", "pl", "ru")

JSON, HTML = "application/json", "text/html"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("", "en"),
        ("pl", "pl"),
        ("pl-PL,pl;q=0.9,en;q=0.8", "pl"),
        ("de, ru;q=0.3, pl;q=0.4", "pl"),
        ("de", "en"),
        ("ru;q=0", "en"),
        ("RU", "ru"),
        ("*", "en"),
        ("pl;q=x", "en"),
        (";;,,", "en"),
    ],
)
def test_preferred_language__the_best_that_is_offered(header: str, chosen: str) -> None:
    assert preferred_language(header, OFFERED) == chosen


@pytest.mark.parametrize(
    ("accept", "json_first", "html_first"),
    [
        ("", JSON, HTML),
        ("*/*", JSON, HTML),
        ("text/html, application/json", JSON, HTML),
        (BROWSER, HTML, HTML),
        (JSON, JSON, JSON),
        ("application/*;q=0.5, text/*;q=0.4", JSON, JSON),
        ("text/html;q=0.2, */*;q=0.3", JSON, JSON),
        ("text/html;q=0, */*", JSON, JSON),
        ("application/json;q=0, text/html;q=0.1", HTML, HTML),
        ("TEXT/HTML", HTML, HTML),
        ("text/html;q=nonsense", None, None),
        ("image/png", None, None),
    ],
)
def test_preferred_type__the_best_of_those_offered(accept: str, json_first: str | None, html_first: str | None) -> None:
    assert preferred_type(accept, (JSON, HTML)) == json_first
    assert preferred_type(accept, (HTML, JSON)) == html_first
