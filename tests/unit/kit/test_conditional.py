"""Entity tags and If-None-Match."""

import pytest

from bookwell.kit.conditional import etag_of, is_known

TAG = etag_of(b"body")


def test_etag_of__other_bytes__other_tag() -> None:
    assert TAG == etag_of(b"body") != etag_of(b"Body")
    assert TAG.startswith('"')


@pytest.mark.parametrize("header", [TAG, f"W/{TAG}", f'"x", {TAG}', "*", " * "])
def test_is_known__named(header: str) -> None:
    assert is_known(header, TAG)


@pytest.mark.parametrize("header", ["", '"x"', TAG.strip('"'), TAG[:-2]])
def test_is_known__not_named(header: str) -> None:
    assert not is_known(header, TAG)
