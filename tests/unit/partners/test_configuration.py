from pathlib import Path

import pytest

from bookwell.kit.settings import InvalidSettings
from bookwell.partners.configuration import PartnerEntry, parse_configuration, read_configuration
from bookwell.partners.simulated import simulated_partners

DAIA = '[partners.a]\nprotocol = "daia"\nurl = "https://a.example/daia"\n'


def parse(text: str, **environ: str) -> tuple[PartnerEntry, ...]:
    return parse_configuration(text, environ=environ, source="partners.toml")


def test_configuration__simulators__are_three_partners_that_take_holds() -> None:
    simulated = simulated_partners("http://127.0.0.1:8030")

    entries = read_configuration(None, environ=simulated.environ, default=simulated.configuration)

    assert [(entry.name, entry.rules.protocol) for entry in entries] == [
        ("library 2", "daia"),
        ("library 3", "koha"),
        ("library 4", "daia"),
    ]


def test_configuration__a_secret__comes_from_the_environment_and_is_not_shown() -> None:
    (entry,) = parse(DAIA + 'access_token_env = "A_TOKEN"\n', A_TOKEN="s3cret")

    assert entry.options.model_dump()["access_token"].get_secret_value() == "s3cret"
    assert "s3cret" not in repr(entry)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "partners.toml: is no TOML"),
        ("partners = 5", "partners.toml: partners: is no table"),
        ("[other]", "partners.toml: other: unknown"),
        ("[partners]\na = 5", 'partners.toml: partners."a": is no table'),
        ('[partners."a/b"]\nprotocol = "daia"', 'partners.toml: partners."a/b": is no name'),
        (f'[partners."{65 * "a"}"]\nprotocol = "daia"', "is no name: 1 to 64 printable characters"),
        ('[partners.".."]\nprotocol = "daia"', 'partners.toml: partners."..": is no name'),
        ("[partners.a]", 'partners.toml: partners."a".protocol: Field required'),
        ('[partners.a]\nprotocol = "sru"', 'partners.toml: partners."a".protocol: no protocol'),
        ('[partners.a]\nprotocol = "daia"', 'partners.toml: partners."a".url: Field required'),
        (DAIA + "calls_at_once = 0", 'partners.toml: partners."a".calls_at_once: Input should be greater'),
        (DAIA + 'insecure = "no"', 'partners.toml: partners."a".insecure: Input should be a valid boolean'),
        (DAIA + "clls_at_once = 5", 'partners.toml: partners."a".clls_at_once: Extra inputs'),
        (DAIA + 'access_token_env = "A_TOKEN"', 'partners.toml: partners."a".access_token_env: the environment has no'),
        (DAIA + 'access_token = "s3cret"', 'partners.toml: partners."a".access_token: is a secret'),
        (DAIA.replace("https", "http"), 'partners.toml: partners."a".url: http://a.example/daia is not https'),
    ],
)
def test_configuration__a_wrong_entry__stops_the_start_and_is_named(text: str, message: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        parse(text)

    assert message in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_configuration__several_wrong_entries__are_all_named() -> None:
    with pytest.raises(InvalidSettings) as refused:
        parse(DAIA + 'color = "red"\n[partners.b]\nprotocol = "daia"\n')

    assert 'partners."a".color' in str(refused.value)
    assert 'partners."b".url' in str(refused.value)


@pytest.mark.parametrize("text", [DAIA.replace("https://a.example", "http://[::1]:80"), DAIA + "insecure = true"])
def test_configuration__loopback_or_insecure__may_be_http(text: str) -> None:
    (entry,) = parse(text.replace("https", "http"))

    assert entry.name == "a"


def test_configuration__no_such_file__is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="BOOKWELL_PARTNERS_CONFIG"):
        read_configuration(tmp_path / "partners.toml", environ={}, default="")
