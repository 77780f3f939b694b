from typing import Any

import pytest

from bookwell.kit.outbox.links import has_links, without_links

_LINK = "https://tables.example/?id=secret"


@pytest.mark.parametrize(
    ("payload", "left"),
    [
        ({}, {}),
        ({"facts": {"table": "5", "price": 0, "alternatives": [{"name": "6"}]}}, None),
        ({"cancel_url": "", "unsubscribe_url": None, "urls": 3}, None),
        ({"url": _LINK}, {"url": ""}),
        (
            {"facts": [{"cancel_url": _LINK, "name": "x"}], "n": None},
            {"facts": [{"cancel_url": "", "name": "x"}], "n": None},
        ),
    ],
)
def test_without_links__every_depth__keeps_the_rest(payload: Any, left: Any) -> None:
    assert without_links(payload) == (payload if left is None else left)
    assert has_links(payload) is (without_links(payload) != payload)
