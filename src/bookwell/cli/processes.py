"""Child processes that never outlive their parent."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from bookwell.kit.orphans import die_with_parent

__all__ = ["die_with_parent", "spawn", "stop"]


def spawn(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
    output: IO[bytes] | int | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, so that Ctrl-C reaches the parent alone, which stops it in order.

    Call it from the main thread: on Linux the child gets `death_signal` when the thread that started it ends.
    """
    parent = os.getpid()
    return subprocess.Popen(  # noqa: S603 -- callers pass commands of their own
        [str(part) for part in command],
        env=None if env is None else dict(env),
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=lambda: die_with_parent(parent, death_signal),  # noqa: PLW1509 -- nothing runs in threads here
    )


def stop(child: subprocess.Popen[bytes], *, ask: signal.Signals = signal.SIGTERM, grace_seconds: float = 10) -> None:
    """Ask a child to end and end it when it does not; returns when it is gone."""
    if child.poll() is None:
        child.send_signal(ask)
        try:
            child.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            child.kill()
    child.wait()
