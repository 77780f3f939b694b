"""What `bookwell up` knows of the processes that it runs."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bookwell.cli.embedded import EmbeddedSettings, _server
from bookwell.cli.main import app


@pytest.mark.parametrize("name", ["library", "partners", "tables", "notifier"])
def test_server__told_to_stop__is_given_longer_than_it_waits_for_its_requests(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOKWELL_STOP_SECONDS", "100")
    monkeypatch.setenv("BOOKWELL_DRAIN_SECONDS", "30")

    service = _server(name, EmbeddedSettings(), tmp_path, {})

    assert 130 < service.stop_seconds < 150


def test_server__simulators__wait_for_nobody(tmp_path: Path) -> None:
    assert 0 < _server("simulators", EmbeddedSettings(), tmp_path, {}).stop_seconds < 20


def test_up__the_data_folder_is_a_file__says_so_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "data"
    file.touch()
    monkeypatch.setenv("BOOKWELL_DATA_DIR", str(file))

    ended = CliRunner().invoke(app, ["up"])

    assert (ended.exit_code, ended.stderr) == (1, f"{file} cannot be used: File exists\n")
