"""What `bookwell up` knows of the processes that it runs."""

from pathlib import Path

import pytest

from bookwell.cli.embedded import EmbeddedSettings, _server


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
