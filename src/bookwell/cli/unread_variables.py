"""Variables of ours in the environment that nobody reads: misspelt, or of another version."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

__all__ = ["unread_variables"]

_PREFIX = "BOOKWELL_"
_FILE = "_FILE"
_OF_DEVELOPERS = re.compile(r"BOOKWELL_(TEST_.*|BENCH|CHAOS)")


def unread_variables(environment: Mapping[str, str], folder: Path) -> Sequence[str]:
    """Each variable `BOOKWELL_…` that no service and no command reads, with the one that it looks like; by name.

    What a TOML file of the environment or of the data folder `folder` names is read by whoever reads that file. Where
    a service is not installed nobody can tell what it reads: then there are none.
    """
    try:
        from bookwell.cli.settings_reference import ELSEWHERE, variables  # noqa: PLC0415 -- needs every extra
    except ImportError:
        return []
    known = {*variables(), *(name for names in ELSEWHERE.values() for name in names)}
    ours = {name.upper() for name in environment if name.upper().startswith(_PREFIX)}
    unread = {name for name in ours - known if name.removesuffix(_FILE) not in known}
    unread = {name for name in unread if not _OF_DEVELOPERS.fullmatch(name)}
    if unread:
        texts = [text for file in _toml_files(environment, folder) for text in _texts(file)]
        unread = {name for name in unread if not any(name in text for text in texts)}
    return [_told(name, known) for name in sorted(unread)]


def _told(name: str, known: set[str]) -> str:
    suffix = _FILE if name.endswith(_FILE) else ""
    alike = get_close_matches(name.removesuffix(suffix), known, n=1, cutoff=0.8)
    return f"{name} is read by nobody" + (f"; {alike[0]}{suffix} is" if alike else "")


def _toml_files(environment: Mapping[str, str], folder: Path) -> Iterator[Path]:
    named = [value for name, value in environment.items() if name.upper().startswith(_PREFIX)]
    yield from (Path(value) for value in named if value.endswith(".toml"))
    yield from folder.glob("*.toml")


def _texts(file: Path) -> Iterator[str]:
    with suppress(OSError):  # who needs it says so
        yield file.read_text(errors="replace")
