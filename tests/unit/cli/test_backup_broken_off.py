"""A backup that is told to stop leaves nothing behind: what it had saved holds everybody's data."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bookwell.cli.backup import working
from bookwell.cli.main import app
from bookwell.cli.preparing import prepare_databases


@pytest.fixture
def _deaf() -> Iterator[None]:
    """Tests go on where nobody takes the signal."""
    former = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGTERM, former)


@pytest.mark.usefixtures("_deaf")
def test_backup__told_to_stop_while_it_saves__clears_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKWELL_DATA_DIR", str(tmp_path / "data"))
    for variable in ("NOTIFIER_DATABASE_URL", "TABLES_DATABASE_URL", "LIBRARY_DATABASE_URL", "LOG_DATABASE_URL"):
        monkeypatch.delenv(f"BOOKWELL_{variable}", raising=False)
    prepare_databases(["notifier"], seconds=0)
    saved: list[Path] = []

    def stopped(_service: str, _kind: str, file: Path, **_: object) -> None:
        saved.append(file)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(working, "describe", stopped)  # called with each file that has been written
    ended = CliRunner().invoke(app, ["backup", str(tmp_path / "backups")])

    assert ended.exit_code == 128 + signal.SIGTERM
    assert [file.name for file in saved] == ["notifier.sqlite3"]
    assert os.listdir(tmp_path / "backups") == []  # noqa: PTH208 -- hidden ones, too
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
