"""Addresses in settings: what is none is refused where it is read, without a word of it."""

from pathlib import Path

import pytest

from bookwell.cli.composition import BackgroundSettings
from bookwell.kit.settings import CommonSettings, InvalidSettings
from bookwell.library.config.environment import LibrarySettings
from bookwell.notifier.settings import NotifierSettings
from bookwell.tables.settings import TablesSettings


@pytest.mark.parametrize(
    ("kind", "variable", "value"),
    [
        (LibrarySettings, "BOOKWELL_LIBRARY_DATABASE_URL", "hush"),
        (LibrarySettings, "BOOKWELL_LIBRARY_DATABASE_URL", "mysql+pymysql://db/bookwell"),
        (LibrarySettings, "BOOKWELL_LIBRARY_DATABASE_URL", "oracle://me:hush@db/bookwell"),
        (LibrarySettings, "BOOKWELL_LIBRARY_DATABASE_URL", "mysql://me:hush/hush@db/bookwell"),
        (LibrarySettings, "BOOKWELL_LIBRARY_DATABASE_URL", "mysql://me:hush[hush@db/bookwell"),
        (LibrarySettings, "BOOKWELL_LOG_DATABASE_URL", "mysql://me:hush@db:/logs"),
        (LibrarySettings, "BOOKWELL_PARTNERS_URL", "partners:5013"),
        (LibrarySettings, "BOOKWELL_NOTIFIER_URL", "notifier.example.org"),
        (TablesSettings, "BOOKWELL_TABLES_DATABASE_URL", "postgresql:/me:hush@db/tables"),
        (TablesSettings, "BOOKWELL_TABLES_URL", "tables.example.org"),
        (NotifierSettings, "BOOKWELL_NOTIFIER_DATABASE_URL", "postgresql://me:hush@db:port/notifier"),
        (CommonSettings, "BOOKWELL_REDIS_URL", "127.0.0.1:6379"),
        (CommonSettings, "BOOKWELL_REDIS_URL", "redis://:hush/hush@redis:6379/0"),
        (BackgroundSettings, "BOOKWELL_BROKER_URL", "rabbitmq://me:hush@rabbitmq:5672//"),
    ],
)
def test_load__no_address__names_the_variable_and_repeats_nothing(
    kind: type[CommonSettings], variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(InvalidSettings) as refused:
        kind.load()

    lines = str(refused.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [variable]
    assert "hush" not in lines[0]


@pytest.mark.parametrize(
    ("kind", "variable", "value"),
    [
        (LibrarySettings, "BOOKWELL_LIBRARY_DATABASE_URL", "sqlite://:memory:"),
        (LibrarySettings, "BOOKWELL_LIBRARY_DATABASE_URL", "mysql://me:p%40ss@/bookwell?unix_socket=/run/mysqld.sock"),
        (TablesSettings, "BOOKWELL_TABLES_DATABASE_URL", "postgresql+psycopg://me:password@[::1]:5432/tables"),
        (CommonSettings, "BOOKWELL_REDIS_URL", "unix:///run/redis.sock?db=1"),
        (BackgroundSettings, "BOOKWELL_BROKER_URL", "sentinel://one:26379;sentinel://two:26379"),
    ],
)
def test_load__an_address__is_taken_as_it_is(
    kind: type[CommonSettings], variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)

    settings = kind.load()

    assert getattr(settings, variable.removeprefix("BOOKWELL_").lower()) == value


def test_load__an_empty_variable__is_as_if_it_were_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    for name in ("DATA_DIR", "LIBRARY_PORT", "SECRET_KEY", "MODE"):
        monkeypatch.setenv(f"BOOKWELL_{name}", "")
    monkeypatch.setenv("BOOKWELL_SECRET_KEY_FILE", str(tmp_path / "secret"))

    settings = CommonSettings.load()

    assert (settings.data_dir, settings.library_port, settings.mode) == (Path(".bookwell"), 8013, "embedded")
    assert settings.secret_key.get_secret_value() == "from a file"
