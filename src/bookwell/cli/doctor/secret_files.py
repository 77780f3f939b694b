"""Checks of files beside the data folder that hold secrets: those that variables name, and files of variables."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from bookwell.cli.doctor.findings import Check, Finding, failed, fine
from bookwell.cli.doctor.site import Site

__all__ = ["secret_file_checks"]

_CHECK = "secret files"
_OTHERS_READ, _OTHERS_ENTER = 0o004, 0o001
_OF_CONTAINERS = Path("/run/secrets")
"""Docker mounts them so that every user of the container reads them; nobody else is in there."""
_PATHS = ("partners_config", "webhooks_file")


def secret_file_checks(site: Site) -> Mapping[str, Check]:
    """The check, where the settings name such files or the folder here has a `.env`."""
    files = _files(site)
    return {_CHECK: lambda: _open_files(files)} if files else {}


def _files(site: Site) -> list[Path]:
    fields = {name for settings in site.settings.values() for name in type(settings).model_fields}
    variables = {f"BOOKWELL_{name.upper()}_FILE" for name in fields}
    named = {Path(os.environ[name]) for name in variables if os.environ.get(name)}
    named |= {path for settings in site.settings.values() for path in _paths(settings)}
    beside = {file for each in named for file in each.parent.glob("*.env")}
    return sorted({file.absolute() for file in named | beside | {Path(".env")} if _is_there(file)})


def _is_there(file: Path) -> bool:
    """As far as this account may look: the folder of whoever called may be closed to it."""
    try:
        return file.is_file()
    except PermissionError:
        return False


def _paths(settings: object) -> Iterator[Path]:
    return (path for name in _PATHS if isinstance(path := getattr(settings, name, None), Path))


def _open_files(files: list[Path]) -> Iterator[Finding]:
    open_ones = [file for file in files if _is_open(file)]
    for file in open_ones:
        yield failed(_CHECK, f"{file} can be read by everybody on this machine", f"chmod o-rwx {file}")
    if not open_ones:
        yield fine(_CHECK, f"{len(files)}, none open to everybody")


def _is_open(file: Path) -> bool:
    """Whether anybody may read it: its own mode says so, and that of no folder above keeps them out."""
    if file.is_relative_to(_OF_CONTAINERS):
        return False
    whole = file.resolve()
    is_reached = all(folder.stat().st_mode & _OTHERS_ENTER for folder in whole.parents)
    return is_reached and bool(whole.stat().st_mode & _OTHERS_READ)
