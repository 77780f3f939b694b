"""Runs the database servers' own programs; passwords go by files and variables, never by command lines."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["ProgramFailed", "find_program", "run_program"]

_LONGEST_WORDS = 2000


class ProgramFailed(Exception):
    """A program is missing, or ended with an error; the message is for the person who tried."""


def find_program(*names: str, package: str) -> str:
    """The first of some programs that is here.

    Raises:
        ProgramFailed: if none is; says what to install.
    """
    for name in names:
        if found := shutil.which(name):
            return found
    raise ProgramFailed(f"the program {names[0]} is not here; install {package}")


def run_program(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    source: Path | None = None,
    target: Path | None = None,
) -> None:
    """Run a program; `source` is its input, and `target` gets its output.

    Raises:
        ProgramFailed: with the program's own words.
    """
    with (source or Path(os.devnull)).open("rb") as given, (target or Path(os.devnull)).open("wb") as made:
        ended = subprocess.run(  # noqa: S603 -- callers pass commands of their own
            command,
            env=os.environ | (environment or {}),
            stdin=given,
            stdout=made,
            stderr=subprocess.PIPE,
            check=False,
        )
        made.flush()
        if target is not None:
            os.fsync(made.fileno())
    if ended.returncode:
        words = ended.stderr.decode(errors="replace").strip()[-_LONGEST_WORDS:]
        raise ProgramFailed(f"{Path(command[0]).name} ended with status {ended.returncode}: {words}")
