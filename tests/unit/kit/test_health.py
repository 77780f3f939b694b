from pathlib import Path

import pytest

from bookwell.kit import draining
from bookwell.kit.health import examine


def refuse() -> None:
    raise ConnectionRefusedError("10.0.0.1 says no")


def test_examine__everything_answers__is_up() -> None:
    report = examine("library", "1.0", {"database": lambda: None})

    assert report.state == "up"
    assert [(state.name, state.state) for state in report.dependencies] == [("database", "up")]


def test_examine__one_fails__names_it_without_the_cause() -> None:
    report = examine("library", "1.0", {"database": lambda: None, "redis": refuse})

    assert report.state == "down"
    assert [(state.name, state.state) for state in report.dependencies] == [("database", "up"), ("redis", "down")]
    assert "10.0.0.1" not in report.model_dump_json()


def test_examine__the_server_is_about_to_stop__is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "_notices", [])
    draining.watch_notice(tmp_path / "draining")
    before = examine("library", "1.0", {"database": lambda: None})

    (tmp_path / "draining").touch()
    after = examine("library", "1.0", {"database": lambda: None})

    assert (before.state, after.state) == ("up", "down")
    assert [state.name for state in after.dependencies if state.state == "down"] == ["server"]
