"""Files for their owner alone, whole or not at all."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from bookwell.kit.key_ring import load_or_create_secret
from bookwell.kit.private_files import make_private_folder, write_private


@pytest.fixture(autouse=True)
def _open_to_all() -> Iterator[None]:
    """Whatever gets no mode of its own could be read and written by everybody."""
    kept = os.umask(0)
    yield
    os.umask(kept)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_make_private_folder__none_of_them_is_there__all_are_for_their_owner_alone(tmp_path: Path) -> None:
    make_private_folder(tmp_path / "data" / "keys")

    assert [mode(tmp_path / "data"), mode(tmp_path / "data" / "keys")] == [0o700, 0o700]


def test_make_private_folder__there_already__stays_as_its_owner_made_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o750)

    make_private_folder(tmp_path / "data")

    assert mode(tmp_path / "data") == 0o750


def test_make_private_folder__a_file_is_in_the_way__is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").touch()

    with pytest.raises(FileExistsError):
        make_private_folder(tmp_path / "data")


def test_write_private__a_new_one_and_another__is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "key"

    write_private(file, b"first")
    write_private(file, b"second")

    assert (file.read_bytes(), mode(file)) == (b"second", 0o600)
    assert list(tmp_path.iterdir()) == [file]


def test_write_private__the_disk_is_full__keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    write_private(file, b"first")

    def refuse(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        write_private(file, b"second")

    assert file.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [file]


def test_secret__the_first_thing_in_a_data_folder__opens_it_to_nobody_else(tmp_path: Path) -> None:
    load_or_create_secret(tmp_path / "data" / "keys" / "secret")

    assert mode(tmp_path / "data") == 0o700
