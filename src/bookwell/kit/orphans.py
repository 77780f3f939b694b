"""Processes that never outlive their parent, however it ends."""

import ctypes
import os
import signal
import sys

__all__ = ["die_with_parent"]

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, death_signal: signal.Signals) -> None:
    """In a child: be sent `death_signal` when the parent ends, by `kill -9` too. Linux alone can; elsewhere nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != parent:  # it ended before the kernel was told
        os._exit(1)
