"""Settings that stand in files."""

from pathlib import Path

import pytest

from bookwell.kit.settings import CommonSettings, InvalidSettings


def test_load__a_file_is_named__reads_the_value_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    file.write_text("open sesame\n")
    monkeypatch.delenv("BOOKWELL_SECRET_KEY", raising=False)
    monkeypatch.setenv("BOOKWELL_SECRET_KEY_FILE", str(file))

    settings = CommonSettings.load()

    assert settings.secret_key.get_secret_value() == "open sesame"


def test_load__in_the_environment_and_in_a_file__is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    file.write_text("one")
    monkeypatch.setenv("BOOKWELL_SECRET_KEY", "another")
    monkeypatch.setenv("BOOKWELL_SECRET_KEY_FILE", str(file))

    with pytest.raises(InvalidSettings, match="BOOKWELL_SECRET_KEY: stands in the environment and"):
        CommonSettings.load()


def test_load__file_is_missing__names_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BOOKWELL_SECRET_KEY", raising=False)
    monkeypatch.setenv("BOOKWELL_SECRET_KEY_FILE", str(tmp_path / "nowhere"))

    with pytest.raises(InvalidSettings, match=r"BOOKWELL_SECRET_KEY_FILE: .* cannot be read"):
        CommonSettings.load()


def test_load__value_in_a_file_is_wrong__is_refused_as_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "level"
    file.write_text("LOUD")
    monkeypatch.delenv("BOOKWELL_LOG_LEVEL", raising=False)
    monkeypatch.setenv("BOOKWELL_LOG_LEVEL_FILE", str(file))

    with pytest.raises(SystemExit, match="BOOKWELL_LOG_LEVEL: "):
        CommonSettings.load()


def test_load__much_is_wrong_in_many_ways__is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BOOKWELL_SECRET_KEY", raising=False)
    monkeypatch.setenv("BOOKWELL_MODE", "production")
    monkeypatch.setenv("BOOKWELL_SECRET_KEY_FILE", str(tmp_path / "nowhere"))
    monkeypatch.setenv("BOOKWELL_REDIS_URL_FILE", str(tmp_path / "nowhere either"))
    monkeypatch.setenv("BOOKWELL_LIBRARY_PORT", "x")
    monkeypatch.setenv("BOOKWELL_CLOCK_OFFSET", "60")

    problems, settings = CommonSettings.examine()

    named = ["REDIS_URL_FILE", "SECRET_KEY_FILE", "LIBRARY_PORT", "CLOCK_OFFSET"]
    assert [line.partition(":")[0].removeprefix("BOOKWELL_") for line in problems] == named
    assert settings is not None
    assert (settings.mode, settings.redis_url) == ("production", "")
