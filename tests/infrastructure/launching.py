"""How a throw-away server is laid out: its folder, its port, the commands that start it."""

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["USER", "Launch", "Place", "program", "program_path"]

USER = "bookwell"
_PROGRAM_FOLDERS = (
    "/usr/lib/rabbitmq/bin",  # before the wrapper of the same name that wants to be root and becomes another user
    *("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/opt/homebrew/bin"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one server runs: an empty folder of its own, free ports, and the user it runs as (None: ours)."""

    folder: Path
    port: int
    inner_ports: tuple[int, ...]
    user: str | None
    durable: bool


@dataclass(frozen=True, slots=True)
class Launch:
    """The command that starts a prepared server, its address, and the signal that ends it at once.

    `companion` is a command that must run before and as long as the server; `env` is added to ours for both.
    """

    command: list[str]
    url: str
    stop_signal: signal.Signals
    companion: list[str] = field(default_factory=list)
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of the server."""
        return os.environ | dict(self.env)


def program_path(name: str) -> Path | None:
    """Where a program is, also outside PATH, where Debian keeps servers; the newest PostgreSQL wins."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda bin_: int(bin_.parent.name), reverse=True)
    for folder in [*versions, *map(Path, _PROGRAM_FOLDERS)]:
        if (folder / name).is_file():
            return folder / name
    return None


def program(name: str) -> str:
    """The path of a program that has to be there.

    Raises:
        FileNotFoundError: if it is not.
    """
    path = program_path(name)
    if path is None:
        raise FileNotFoundError(name)
    return str(path)
