"""`python -m bench`: the speed at 10 000 books; `--scale`: beside a million; `--compare-servers`: for ADR 0007.

python -m bench --only place,lean --seconds 3 --rounds 1 --connections 16
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from bench.contenders import Contender
from bench.loading import run_sql
from bench.messages import MessageResult, measure_messages, message_targets, print_messages
from bench.partners import PartnersResult, measure_partners, partner_targets, print_budgets
from bench.plan import KINDS, MESSAGES, PARTNERS, TABLES, Stage, by_label, scale_targets, speed_targets
from bench.report import Target, print_surroundings, print_table, print_targets
from bench.rounds import Result, run_rounds
from bench.servers import CHOSEN, SERVERS
from bench.tables import measure_tables, table_targets
from tests.infrastructure import running_servers

_SMALL, _LARGE = 10_000, 1_000_000
_MEMORY = 3 * 1024**3
_SCALED_KINDS = ("place", "queue", "book", "page", "search", "share", "common", TABLES)
_COMPARED_KINDS = ("bare", "lean", "place", "book")


def main() -> None:
    """Run what the command line asks for. The status is 0 also when a target is missed: the table says so."""
    options = _options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bookwell-bench-")))
        server = stack.enter_context(running_servers(["mariadb"], durable=not options.relaxed))["mariadb"]
        run_sql(server.url, f"SET GLOBAL innodb_buffer_pool_size = {_MEMORY}")
        print_surroundings(server.url, options.server, rounds=options.rounds, seconds=options.seconds)
        stage = Stage(server.url, folder, frozenset(options.only) - {PARTNERS, TABLES}, stack)
        results = _measured(_contenders(stage, options), options) if stage.kinds - {MESSAGES} else []
        told = _told(stage, options) if MESSAGES in stage.kinds else []
        beyond = _beyond(folder, stack, options)
        of_tables = _tables(folder, stack, options)
        if results:
            print_table(results, options.connections)
        for result in beyond:
            print_table(result.results, options.connections)
            print_budgets(result)
        if of_tables:
            print_table(of_tables, options.connections)
        if told:
            print_messages(told)
        of_partners = [target for result in beyond for target in partner_targets(result)]
        targets = [*_targets(results, options), *message_targets(told), *of_partners]
        targets += table_targets(of_tables, _sizes(options))
        print_targets(targets)
        if options.json:
            rows = [*results, *(row for result in beyond for row in result.results), *of_tables]
            options.json.write_text(json.dumps(_document(rows, told, targets), indent=1) + "\n")


def _contenders(stage: Stage, options: argparse.Namespace) -> list[Contender]:
    _say(f"filling {options.books:,} books")
    library = stage.library(options.books)
    if options.compare_servers:
        return [contender for name in SERVERS for contender in stage.under(name, library)]
    if not options.scale:
        return [*stage.ceilings(options.server, library), *stage.service(options.server, library)]
    _say(f"filling {options.scale:,} books")
    large = stage.library(options.scale)
    both = ((library, _label(options.books)), (large, _label(options.scale)))
    return [contender for filled, label in both for contender in stage.service(options.server, filled, label=label)]


def _told(stage: Stage, options: argparse.Namespace) -> list[MessageResult]:
    return measure_messages(stage.database_url, stage.folder, rounds=options.rounds, say=_say)


def _beyond(folder: Path, stack: ExitStack, options: argparse.Namespace) -> list[PartnersResult]:
    """The partners service, when it was asked for."""
    if PARTNERS not in options.only:
        return []
    _say("the partners service")
    few = {"connections": options.connections, "rounds": options.rounds, "seconds": options.seconds}
    return [measure_partners(folder, stack, say=_say, **few)]


def _tables(folder: Path, stack: ExitStack, options: argparse.Namespace) -> list[Result]:
    """The tables service, when it was asked for."""
    if TABLES not in options.only:
        return []
    _say("the tables service")
    few = {"connections": options.connections, "rounds": options.rounds, "seconds": options.seconds}
    return measure_tables(folder, stack, sizes=_sizes(options), say=_say, is_durable=not options.relaxed, **few)


def _sizes(options: argparse.Namespace) -> list[int]:
    """Bookings of the restaurants that are measured."""
    return [options.books, options.scale] if options.scale else [options.books]


def _measured(contenders: Sequence[Contender], options: argparse.Namespace) -> list[Result]:
    return run_rounds(
        contenders, connections=options.connections, rounds=options.rounds, seconds=options.seconds, say=_say
    )


def _targets(results: Sequence[Result], options: argparse.Namespace) -> list[Target]:
    hardest = max(options.connections)
    if options.compare_servers:
        return []
    if options.scale:
        small = by_label(results, _label(options.books), hardest)
        return list(scale_targets(small, by_label(results, _label(options.scale), hardest)))
    return list(speed_targets(by_label(results, "", hardest)))


def _label(books: int) -> str:
    return f" [{books:,}]"


def _document(
    results: Sequence[Result], told: Sequence[MessageResult], targets: Sequence[Target]
) -> dict[str, list[dict[str, object]]]:
    rows: list[dict[str, object]] = [
        {
            "name": result.contender.name,
            "connections": result.connections,
            "rates": [round(sample.rate, 1) for sample in result.samples],
            "p50_milliseconds": result.p50,
            "p99_milliseconds": result.p99,
        }
        for result in results
    ]
    reached: list[dict[str, object]] = [
        {"name": target.name, "value": target.value, "wanted": target.wanted, "is_reached": target.is_reached}
        for target in targets
    ]
    return {"rows": rows, "messages": [asdict(result) for result in told], "targets": reached}


def _say(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(text.split(","))
    unknown = set(kinds) - set(KINDS)
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    return kinds


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    add = parser.add_argument
    add("--scale", type=int, nargs="?", const=_LARGE, help="measure a second library of so many books beside the first")
    add("--books", type=int, default=_SMALL, help="size of the first library (at least 5 000)")
    add("--compare-servers", action="store_true", help="the same application under each server")
    add("--only", type=_kinds, help="kinds of contenders, by commas: " + ", ".join(KINDS))
    add("--connections", type=int, nargs="+", default=[1, 16])
    add("--rounds", type=int, default=3)
    add("--seconds", type=int, default=4, help="of each measurement")
    add("--server", choices=list(SERVERS), default=CHOSEN)
    add("--relaxed", action="store_true", help="commits do not wait for the disk")
    add("--json", type=Path, help="write all samples there too")
    options = parser.parse_args()
    if options.only is None:
        options.only = _SCALED_KINDS if options.scale else _COMPARED_KINDS if options.compare_servers else KINDS
    return options


main()
