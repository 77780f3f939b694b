"""Which Python 2.7 the door is tested with; real ones are stood in for by programs that answer like one."""

import sys
from pathlib import Path

import pytest

from tests.infrastructure import python27
from tests.infrastructure.python27 import MissingPython27, Python27, find_python27
from tests.infrastructure.run import Session, needs_python27


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with no Python 2.7 anywhere."""
    monkeypatch.delenv("BOOKWELL_PYTHON27", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setattr(python27, "_MACHINE_FOLDERS", ())
    monkeypatch.setattr(python27, "_TOOLS", tmp_path / "tools")
    monkeypatch.setattr(python27, "_KEYS", tmp_path / "no-keys")


def an_interpreter(program: Path, *, version: str = "[2, 7]", works: bool = True) -> Path:
    program.parent.mkdir(parents=True, exist_ok=True)
    answer = f"""echo '["{program}", {version}]'""" if works else "exit 127"
    program.write_text(f"#!/bin/sh\n{answer}\n")
    program.chmod(0o755)
    return program


def test_find__named_in_the_setting__is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    an_interpreter(tmp_path / "path/python2.7")
    named = an_interpreter(tmp_path / "own/python")
    monkeypatch.setenv("BOOKWELL_PYTHON27", str(named))

    assert find_python27() == Python27(named)


@pytest.mark.parametrize("program", ["/nowhere/python2.7", sys.executable])
def test_find__named_in_the_setting_and_no_python_2_7__is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str
) -> None:
    an_interpreter(tmp_path / "path/python2.7")
    monkeypatch.setenv("BOOKWELL_PYTHON27", program)

    with pytest.raises(MissingPython27, match="BOOKWELL_PYTHON27"):
        find_python27()


def test_find__a_shim_that_runs_nothing__is_passed_over(tmp_path: Path) -> None:
    an_interpreter(tmp_path / "path/python2.7", works=False)
    an_interpreter(tmp_path / "pyenv/versions/2.7.17/bin/python2.7", version="[3, 11]")
    installed = an_interpreter(tmp_path / "pyenv/versions/2.7.18/bin/python2.7")

    assert find_python27() == Python27(installed)


def test_find__unpacked_before__is_taken_with_its_libraries(tmp_path: Path) -> None:
    program = an_interpreter(tmp_path / "tools/root/usr/bin/python2.7")
    libraries = tmp_path / "tools/root/usr/lib/x86_64-linux-gnu"
    libraries.mkdir(parents=True)

    found = find_python27()

    assert found == Python27(program, libraries)
    assert found.environment["LD_LIBRARY_PATH"] == str(libraries)


def test_bring__nothing_here_and_no_debian__says_what_to_install() -> None:
    with pytest.raises(MissingPython27, match=r"python2\.7.*pyenv install 2\.7\.18(?s:.*)BOOKWELL_PYTHON27"):
        python27.bring_door_environment()


def test_run__only_tests_that_serve_the_door__need_it(tmp_path: Path) -> None:
    (tmp_path / "test_door.py").write_text("from tests.doors import python27_door")
    (tmp_path / "test_other.py").write_text("")

    assert needs_python27([Session("s", "sqlite", (str(tmp_path),))])
    assert not needs_python27([Session("s", "sqlite", (f"{tmp_path}/test_other.py",))])
