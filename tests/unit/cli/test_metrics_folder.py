"""Where the workers of one server count their requests together."""

import os
from pathlib import Path

import pytest

from bookwell.cli.server import metrics_folder

NAME = "PROMETHEUS_MULTIPROC_DIR"


@pytest.fixture(autouse=True)
def _not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAME, raising=False)


def test_metrics_folder__several_workers__is_fresh_and_goes_with_them() -> None:
    with metrics_folder(2):
        folder = Path(os.environ[NAME])
        assert list(folder.iterdir()) == []
        (folder / "counter_1.db").touch()

    assert NAME not in os.environ
    assert not folder.exists()


def test_metrics_folder__one_worker__needs_none() -> None:
    with metrics_folder(1):
        assert NAME not in os.environ


def test_metrics_folder__chosen_by_the_operator__is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(NAME, str(tmp_path))

    with metrics_folder(4):
        assert os.environ[NAME] == str(tmp_path)

    assert tmp_path.exists()
