"""The table, the ratios and whether the targets are met."""

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.drivers import driver_name
from bench.loading import run_sql
from bench.rounds import Result

__all__ = ["Target", "print_surroundings", "print_table", "print_targets", "rates"]

_NAME_WIDTH = 38
_STORAGE = ("innodb_flush_log_at_trx_commit", "innodb_buffer_pool_size", "sync_binlog", "log_bin", "datadir")


@dataclass(frozen=True, slots=True)
class Target:
    """A figure against what it has to be; `is_at_most` turns the comparison."""

    name: str
    value: float
    wanted: float
    is_at_most: bool = False
    unit: str = ""

    @property
    def is_reached(self) -> bool:
        """Whether it is."""
        return self.value <= self.wanted if self.is_at_most else self.value >= self.wanted


def print_surroundings(url: str, server: str, **options: Any) -> None:
    """What the figures depend on."""
    variables = dict(run_sql(url, "SHOW GLOBAL VARIABLES"))
    version = run_sql(url, "SELECT VERSION()")[0][0]
    storage = ", ".join(f"{name}={variables[name]}" for name in _STORAGE)
    print(f"machine     {os.cpu_count()} cores ({_cpu()}), Python {platform.python_version()}")
    print(f"load before {os.getloadavg()[0]:.2f} (others' work makes every figure worse)")
    print(f"server      {server}, 2 workers; driver {driver_name()}")
    print(f"database    {version}; {storage}")
    print("            " + ", ".join(f"{name}={value}" for name, value in options.items()))


def print_table(results: Sequence[Result], connections: Sequence[int]) -> None:
    """One row per contender; latencies in milliseconds; ± is half of (fastest - slowest round)."""
    head = "".join(f"{f'{count} connection' + 's' * (count > 1):>34}" for count in connections)
    print(f"\n{'':{_NAME_WIDTH}}{head}")
    print(f"{'':{_NAME_WIDTH}}" + f"{'req/s':>12}{'±':>5}{'p50':>8}{'p99':>9}" * len(connections))
    names = dict.fromkeys(result.contender.name for result in results)
    for name in names:
        cells = "".join(map(_cell, (result for result in results if result.contender.name == name)))
        print(f"{name:{_NAME_WIDTH}}{cells}")
    thrown = sum(result.thrown_away for result in results)
    if thrown:
        print(f"{thrown} runs with errors were thrown away and repeated")


def print_targets(targets: Sequence[Target]) -> None:
    """Each target with what was measured."""
    print("\nTargets (requests at the highest number of connections)")
    for target in targets:
        sign = "≤" if target.is_at_most else "≥"
        verdict = "reached" if target.is_reached else "MISSED"
        print(f"  {target.name:58}{_figure(target.value):>9}  {sign} {_figure(target.wanted)}{target.unit}  {verdict}")


def rates(results: Sequence[Result], connections: int) -> dict[str, float]:
    """Requests a second by name, at so many connections."""
    return {result.contender.name: result.rate for result in results if result.connections == connections}


def _cell(result: Result) -> str:
    return f"{result.rate:>12,.0f}{result.spread / 2:>5.0%}{result.p50:>8.2f}{result.p99:>9.2f}"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _cpu() -> str:
    return next(_models(), platform.machine())


def _models() -> Iterator[str]:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                yield line.partition(":")[2].strip()
