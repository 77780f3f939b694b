"""A library at work, as a process that may be killed: `python -m tests.messages.writing LEDGER --events 100`."""

import argparse
import random
import time
from pathlib import Path

from bookwell.cli.management import set_up_library
from tests.messages.ledger import Ledger

__all__: list[str] = []


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.messages.writing")
    parser.add_argument("ledger", type=Path)
    parser.add_argument("--events", type=int, default=0, help="so many messages in all, over all starts")
    parser.add_argument("--seed", default="")
    parser.add_argument("--pause", type=float, default=0, help="seconds between transactions")
    parser.add_argument("--overdue", type=int, default=0, help="and so many overdue loans")
    parser.add_argument("--die", action="store_true", help="commit one message and be killed at once")
    options = parser.parse_args()
    set_up_library()
    from tests.messages.writer import Writer  # noqa: PLC0415 -- Django must be set up first

    ledger = Ledger(options.ledger)
    chance = random.Random(f"{options.seed} {len(ledger.numbers('begun'))}")  # noqa: S311 -- no secret
    writer = Writer(ledger, chance)
    if options.die:
        writer.commit_and_die()
    writer.lend_long_ago(options.overdue)
    while writer.told < options.events:
        writer.write()
        time.sleep(options.pause)


if __name__ == "__main__":
    _main()
