"""A misspelt variable is told, with the one that was meant."""

from pathlib import Path

import pytest

from bookwell.cli.unread_variables import unread_variables


@pytest.mark.parametrize(
    "name",
    [
        "BOOKWELL_MODE",
        "bookwell_library_port",
        "BOOKWELL_SECRET_KEY_FILE",
        "BOOKWELL_WEBHOOKS_FILE",
        "BOOKWELL_TABLES_THREADS",
        "BOOKWELL_ADMIN_PASSWORD",
        "BOOKWELL_TEST_SEED",
        "HOME",
    ],
)
def test_unread__somebody_reads_it__is_not_told(name: str, tmp_path: Path) -> None:
    assert unread_variables({name: "x"}, tmp_path) == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("BOOKWELL_LIBRARY_PROT", "BOOKWELL_LIBRARY_PROT is read by nobody; BOOKWELL_LIBRARY_PORT is"),
        ("BOOKWELL_SECRETKEY_FILE", "BOOKWELL_SECRETKEY_FILE is read by nobody; BOOKWELL_SECRET_KEY_FILE is"),
        ("BOOKWELL_ZZZ", "BOOKWELL_ZZZ is read by nobody"),
    ],
)
def test_unread__misspelt__is_told_with_what_was_meant(name: str, told: str, tmp_path: Path) -> None:
    assert unread_variables({name: "x", "BOOKWELL_MODE": "embedded"}, tmp_path) == [told]


def test_unread__named_in_a_file_of_secrets__is_not_told(tmp_path: Path) -> None:
    data, partners = tmp_path / "data", tmp_path / "partners.toml"
    data.mkdir()
    partners.write_text('[libraries."north"]\npassword_env = "BOOKWELL_NORTH_PASSWORD"\n')
    (data / "webhooks.toml").write_text('[endpoints.office]\nsecret_env = "BOOKWELL_OFFICE_SECRET"\n')
    environment = {
        "BOOKWELL_PARTNERS_CONFIG": str(partners),
        "BOOKWELL_NORTH_PASSWORD": "x",
        "BOOKWELL_OFFICE_SECRET": "x",
        "BOOKWELL_SOUTH_PASSWORD": "x",
    }

    told = unread_variables(environment, data)

    assert [line.partition(" ")[0] for line in told] == ["BOOKWELL_SOUTH_PASSWORD"]
