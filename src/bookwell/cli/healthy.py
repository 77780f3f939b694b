"""The health check of a container: `python -m bookwell.cli.healthy 8013`, or a heartbeat's file instead of a port.

Ends with status 0 when the server there is ready, or the process gave a sign of life within the last minute. It runs
every few seconds in every container, so that it imports the standard library alone.
"""

import sys
import urllib.request
from pathlib import Path

from bookwell.kit.heartbeat import is_alive

__all__ = ["is_healthy"]

_SECONDS = 4
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback is never behind a proxy


def is_healthy(what: str) -> bool:
    """Whether the server on a loopback port is ready, or the file is touched from time to time."""
    if not what.isdecimal():
        return is_alive(Path(what))
    try:
        with _OPENER.open(f"http://127.0.0.1:{what}/health/ready", timeout=_SECONDS) as response:
            return bool(response.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(0 if is_healthy(sys.argv[1]) else 1)
