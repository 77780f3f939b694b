"""Which language a caller would rather read."""

import pytest

from bookwell.kit.negotiation import preferred_language

OFFERED = ("en", "pl", "ru")


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
