import pytest

from bookwell.kit.issuers import NamedIssuer
from bookwell.kit.settings import InvalidSettings
from bookwell.partners.settings import PartnersSettings


def test_settings__nothing_said__are_those_of_one_machine() -> None:
    settings = PartnersSettings()

    assert (settings.library, settings.simulators) == ("http://127.0.0.1:8013", "http://127.0.0.1:8030")
    assert settings.issuers_with_library == (
        NamedIssuer(
            issuer="http://127.0.0.1:8013",
            audience="bookwell",
            jwks_url="http://127.0.0.1:8013/.well-known/jwks.json",
        ),
    )


def test_settings__an_outside_issuer__stands_beside_the_library() -> None:
    settings = PartnersSettings(issuers="https://id.example,x,a.b", library_url="https://library.example/")

    assert [each.issuer for each in settings.issuers_with_library] == ["https://id.example", "https://library.example"]


def test_settings__the_library_named_as_issuer__is_as_it_was_named() -> None:
    settings = PartnersSettings(issuers="https://library.example,x,r", library_url="https://library.example")

    assert settings.issuers_with_library == settings.named_issuers


def test_settings__a_library_reached_by_another_name__keeps_the_issuer_that_its_tokens_name() -> None:
    settings = PartnersSettings(library_url="http://library.internal:8013", library_issuer="https://library.example/")

    assert settings.library == "http://library.internal:8013"
    assert [(each.issuer, each.jwks_url) for each in settings.issuers_with_library] == [
        ("https://library.example", "http://library.internal:8013/.well-known/jwks.json")
    ]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BOOKWELL_LIBRARY_URL", "library.example"),
        ("BOOKWELL_LIBRARY_ISSUER", "library.example"),
        ("BOOKWELL_ISSUERS", "https://id.example"),
        ("BOOKWELL_PARTNERS_BUDGET_MS", "0"),
        ("BOOKWELL_PARTNERS_PORT", "70000"),
    ],
)
def test_settings__a_wrong_value__stops_the_start_and_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(InvalidSettings, match=variable):
        PartnersSettings.load()


def test_settings__production__needs_partners_that_are_none_of_a_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKWELL_MODE", "production")
    monkeypatch.setenv("BOOKWELL_SECRET_KEY", "s" * 50)

    with pytest.raises(InvalidSettings, match="BOOKWELL_PARTNERS_CONFIG: needed in production"):
        PartnersSettings.load()
    monkeypatch.setenv("BOOKWELL_PARTNERS_CONFIG", "/etc/bookwell/partners.toml")

    assert PartnersSettings.load().partners_config is not None
