"""Which hosts a service answers for."""

import pytest

from bookwell.kit.hosts import host_check

USUAL = host_check(["localhost", "127.0.0.1", "[::1]", ".example.org"])


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost:9000", "127.0.0.1:1", "[::1]", "[::1]:9000", "example.org", "tables.Example.org:443"],
)
def test_host_check__known(host: str) -> None:
    assert USUAL(host)


@pytest.mark.parametrize(
    "host",
    ["", "evil", "evil.localhost", "notexample.org", "example.org.evil", "::1", "127.0.0.1:x", "localhost:80:80"],
)
def test_host_check__unknown(host: str) -> None:
    assert not USUAL(host)


def test_host_check__a_star__knows_all() -> None:
    assert host_check(["*"])("anything")


def test_host_check__no_names__knows_none() -> None:
    assert not host_check([])("localhost")
