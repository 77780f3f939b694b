from pathlib import Path

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
        ("BOOKWELL_PARTNERS_HOLD_MS", "60000"),
        ("BOOKWELL_PARTNERS_PORT", "70000"),
    ],
)
def test_settings__a_wrong_value__stops_the_start_and_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(InvalidSettings, match=variable):
        PartnersSettings.load()


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment of a production; answers its file of partners, which is empty."""
    (tmp_path / "partners.toml").touch()
    monkeypatch.setenv("BOOKWELL_MODE", "production")
    monkeypatch.setenv("BOOKWELL_SECRET_KEY", "0123456789abcdef" * 3)
    monkeypatch.setenv("BOOKWELL_PARTNERS_CONFIG", str(tmp_path / "partners.toml"))
    return tmp_path / "partners.toml"


def test_settings__production__needs_partners_that_are_none_of_a_demo(
    monkeypatch: pytest.MonkeyPatch, production: Path
) -> None:
    assert PartnersSettings.load().partners_config == production
    monkeypatch.delenv("BOOKWELL_PARTNERS_CONFIG")

    with pytest.raises(InvalidSettings, match="BOOKWELL_PARTNERS_CONFIG: needed in production"):
        PartnersSettings.load()


@pytest.mark.parametrize(("host", "is_refused"), [("library2.example", True), ("127.0.0.1", False)])
def test_settings__production_with_http_to_a_partner__only_on_this_machine(
    production: Path, host: str, is_refused: bool
) -> None:
    entry = f'protocol = "daia"\nurl = "http://{host}/daia"\ninsecure = true\n'
    production.write_text(f'[partners."library 2"]\n{entry}')

    problems, settings = PartnersSettings.examine()

    refusal = 'BOOKWELL_PARTNERS_CONFIG: partners."library 2": is plain http beyond this machine; https is needed'
    assert problems == ([refusal] if is_refused else [])
    assert settings is not None


def test_settings__production_with_wrong_partners__lists_all_of_it(production: Path) -> None:
    production.write_text('wrong = 1\n[partners.x]\nprotocol = "smoke signals"\n')

    problems, _ = PartnersSettings.examine()

    assert [("wrong" in line, "protocol" in line) for line in problems] == [(True, False), (False, True)]
