"""The one clock. Instants are aware and in UTC. The settings of a demo may set it forward or back."""

import datetime as dt

__all__ = ["now", "set_offset"]

_offset = dt.timedelta(0)


def set_offset(seconds: float) -> None:
    """Let this process live that many seconds ahead of time; called once, by the settings at its start."""
    global _offset  # noqa: PLW0603 -- a process has one clock
    _offset = dt.timedelta(seconds=seconds)


def now() -> dt.datetime:
    """The current instant, in UTC."""
    return dt.datetime.now(dt.UTC) + _offset  # noqa: TID251 -- the one place that may ask
