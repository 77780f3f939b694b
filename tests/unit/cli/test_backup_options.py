"""The option file by which the programs of MariaDB and MySQL reach a database."""

from configparser import ConfigParser

import pytest

from bookwell.cli.backup.stores import mysql_options

_URL = "mysql://bookwell:a%22b%5Cc@db.example:3307/bookwell"


def _sections(text: str) -> ConfigParser:
    parser = ConfigParser(allow_no_value=True, interpolation=None)
    parser.read_string(text)
    return parser


@pytest.mark.parametrize(("is_mariadb", "is_encrypted"), [(True, False), (False, True)])
def test_options__the_url_says_nothing_of_certificates__none_is_wanted(is_mariadb: bool, is_encrypted: bool) -> None:
    made = _sections(mysql_options(_URL, is_mariadb=is_mariadb))

    assert "loose-skip-ssl-verify-server-cert" in made["client-mariadb"]
    assert ("ssl" in made["client-mariadb"]) is is_encrypted
    assert not any(name.startswith(("ssl", "loose-ssl")) for name in made["client"])


@pytest.mark.parametrize("is_mariadb", [True, False])
@pytest.mark.parametrize("name", ["ssl_ca", "ssl_capath"])
def test_options__the_url_names_an_authority__the_certificate_is_verified(is_mariadb: bool, name: str) -> None:
    made = _sections(mysql_options(f"{_URL}?{name}=/etc/ca&ssl_cert=/etc/own.pem&charset=x", is_mariadb=is_mariadb))

    assert set(made["client-mariadb"]) == {"ssl", "ssl-verify-server-cert"}
    assert made["client"]["loose-ssl-mode"] == "VERIFY_IDENTITY"
    assert made["client"][name.replace("_", "-")] == '"/etc/ca"'
    assert made["client"]["ssl-cert"] == '"/etc/own.pem"'
    assert "charset" not in made["client"]


def test_options__the_url_names_a_socket__is_the_way_there() -> None:
    made = _sections(mysql_options("mysql://bookwell@localhost/bookwell?unix_socket=/run/db.sock", is_mariadb=True))

    assert made["client"]["socket"] == '"/run/db.sock"'
    assert made["client"]["protocol"] == '"socket"'
    assert not {"host", "port"} & set(made["client"])
