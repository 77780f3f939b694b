"""A server that was asked to stop says so for a while, and goes on answering.

Whoever sends it requests sends them elsewhere meanwhile, so that none meets a closed door. The process that was asked
leaves a file as a notice, and those that answer look for it.
"""

from pathlib import Path

__all__ = ["is_draining", "watch_notice"]

_notices: list[Path] = []


def watch_notice(notice: Path) -> None:
    """Look for this file from now on."""
    _notices[:] = [notice]


def is_draining() -> bool:
    """Whether this server is about to stop."""
    return any(notice.exists() for notice in _notices)
