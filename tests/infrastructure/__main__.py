"""`python -m tests.infrastructure [--only KIND,…] [--durable] [-- COMMAND…]`; without a command, until Ctrl-C."""

import argparse
import os
import signal
import sys
from types import FrameType

from bookwell.cli.processes import spawn, stop
from tests.infrastructure.kinds import KINDS
from tests.infrastructure.servers import Server, running_servers

__all__ = ["environment_of", "stop_on_signals"]


def environment_of(servers: dict[str, Server]) -> dict[str, str]:
    """The environment that tells tests and benches where the servers are."""
    return {KINDS[server.kind].variable: server.url for server in servers.values()}


def stop_on_signals() -> None:
    """Let what ends the program unwind it, so that every server is stopped; in the background Ctrl-C is ignored."""

    def unwind(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGINT, unwind)
    signal.signal(signal.SIGTERM, unwind)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup means it
        signal.signal(signal.SIGHUP, unwind)


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.infrastructure")
    parser.add_argument("--only", default=",".join(KINDS), help="kinds of servers, separated by commas")
    parser.add_argument("--durable", action="store_true", help="commits wait for the disk")
    parser.add_argument("command", nargs="*")
    chosen = parser.parse_args()
    stop_on_signals()
    with running_servers(chosen.only.split(","), durable=chosen.durable) as servers:
        if chosen.command:
            child = spawn(chosen.command, env=os.environ | environment_of(servers))
            try:
                return child.wait()
            finally:
                stop(child)
        for variable, url in environment_of(servers).items():
            print(f"export {variable}='{url}'", flush=True)
        signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(_main())
