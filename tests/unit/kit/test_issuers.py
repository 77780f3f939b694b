"""`BOOKWELL_ISSUERS` in both of its forms."""

import json
from typing import Any

import pytest

from bookwell.kit.issuers import NamedIssuer, beside, parse_issuers

_KEYCLOAK = "https://id.example/realms/r"


def test_parse_issuers__the_short_form__names_several() -> None:
    issuers = parse_issuers("http://a.example,x  https://b.example/realms/r,y,realm_access.roles")

    assert issuers == (
        NamedIssuer(issuer="http://a.example", audience="x", roles_claim=("roles",)),
        NamedIssuer(issuer="https://b.example/realms/r", audience="y", roles_claim=("realm_access", "roles")),
    )


@pytest.mark.parametrize("text", ["", "  ", "[]"])
def test_parse_issuers__nothing__names_nobody(text: str) -> None:
    assert parse_issuers(text) == ()


@pytest.mark.parametrize(
    ("claim", "path"),
    [
        ("realm_access.roles", ("realm_access", "roles")),
        (["resource_access", "a.client", "roles"], ("resource_access", "a.client", "roles")),
    ],
)
def test_parse_issuers__a_json_list__takes_a_path_dotted_or_in_steps(claim: Any, path: tuple[str, ...]) -> None:
    entry = {"issuer": _KEYCLOAK, "audience": "account", "roles_claim": claim, "jwks_url": f"{_KEYCLOAK}/certs"}

    issuers = parse_issuers(json.dumps([entry, {"issuer": "https://a.example", "audience": "x"}]))

    assert [each.roles_claim for each in issuers] == [path, ("roles",)]
    assert [each.jwks_url for each in issuers] == [f"{_KEYCLOAK}/certs", None]


@pytest.mark.parametrize(
    "text",
    [
        "https://a.example",
        "a.example,x",
        "https://a.example,",
        "https://a.example,x,roles,more",
        "https://a.example,x,realm..roles",
        "[1]",
        "[",
        '[{"issuer": "https://a.example"}]',
        '[{"issuer": "a.example", "audience": "x"}]',
        '[{"issuer": "https://a.example", "audience": ""}]',
        '[{"issuer": "https://a.example", "audience": "x", "roles_claim": []}]',
        '[{"issuer": "https://a.example", "audience": "x", "jwks_url": "file:///keys"}]',
        '[{"issuer": "https://a.example", "audience": "x", "role": "r"}]',
    ],
)
def test_parse_issuers__half_an_entry__is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a JSON list"):
        parse_issuers(text)


def test_parse_issuers__one_twice__is_refused() -> None:
    with pytest.raises(ValueError, match="names an issuer twice"):
        parse_issuers("https://a.example,x https://a.example,y")


def test_beside__an_own_issuer_that_was_named__is_as_it_was_named() -> None:
    named = parse_issuers("https://a.example,x,r")
    own = [NamedIssuer(issuer=url, audience="y") for url in ("https://a.example", "https://b.example")]

    assert beside(named, own) == (*named, own[1])
