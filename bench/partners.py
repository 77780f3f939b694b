"""The partners service against a bare Flask view, and its time budget.

`/status` is measured from the cache of a process, from Redis, and with nothing remembered (the library and three
partners are asked each time); then at 50 requests a second with nine partners of which three never answer.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import Contender, Reading
from bench.report import Target, rates
from bench.rounds import Result, run_rounds
from bench.servers import CHOSEN, MANY_THREADS, Site, running_site
from bench.steady_load import Latencies, ask_steadily
from bookwell.cli.processes import spawn, stop
from tests.infrastructure import running_servers
from tests.infrastructure.servers import free_port

__all__ = ["BudgetResult", "PartnersResult", "measure_partners", "partner_targets", "print_budgets"]

_APPLICATION = "bookwell.partners.app:application"
_BARE = "bare Flask view"
_CACHED = "status, from the process' cache"
_REDIS = "status, from Redis"
_UNCACHED = "status, library and 3 partners asked"
_BOOKS = 1000
_PER_SECOND = 50
_STEADY_SECONDS = 20
_BUDGET_SECONDS = 2.0
_NEVER_FRESH = {"BOOKWELL_PARTNERS_FRESH_SECONDS": "0", "BOOKWELL_PARTNERS_STALE_SECONDS": "0"}


@dataclass(frozen=True, slots=True)
class BudgetResult:
    """What nine partners of which three hang do to `/status` at 50 requests a second."""

    name: str
    latencies: Latencies


@dataclass(frozen=True, slots=True)
class PartnersResult:
    """Everything measured of the service."""

    results: Sequence[Result]
    budgets: Sequence[BudgetResult]


@dataclass(frozen=True, slots=True)
class _Stage:
    folder: Path
    stack: ExitStack
    stubs: int

    def site(self, name: str, server: str, *, partners: Sequence[str], env: Mapping[str, str]) -> Site:
        """The service over partners at these paths of the stubs; more lines of an entry follow a path."""
        configuration = self.folder / f"{name}.toml"
        configuration.write_text("".join(self._entry(number, path) for number, path in enumerate(partners, 1)))
        environment = {
            "BOOKWELL_PARTNERS_CONFIG": str(configuration),
            "BOOKWELL_LIBRARY_URL": f"http://127.0.0.1:{self.stubs}",
            "BOOKWELL_DATA_DIR": str(self.folder),
            "BOOKWELL_REDIS_URL": "",
            **env,
        }
        log = self.folder / f"{name}.log"
        running = running_site(server, _APPLICATION, env=environment, log=log, probe="/health/live")
        return self.stack.enter_context(running)

    def _entry(self, number: int, path: str) -> str:
        address, _, more = path.partition("\n")
        return (
            f'[partners."library {number}"]\nprotocol = "daia"\n'
            f'url = "http://127.0.0.1:{self.stubs}{address}"\n{more}\n'
        )


def _contenders(stage: _Stage, redis_url: str) -> Iterator[Contender]:
    """The bare view and `/status` in its three ways."""
    bare = running_site(CHOSEN, "bench.bare_flask:application", env={}, log=stage.folder / "bare.log", probe="/bare/")
    reading = Reading(stage.stack.enter_context(bare), stage.folder)
    yield reading.contender("bare", _BARE, ["/bare/"])
    partners = [f"/daia/{number}" for number in (1, 2, 3)]
    books = [f"/status/{number}" for number in range(1, _BOOKS + 1)]
    for name, title, env in (
        ("cached", _CACHED, {}),
        ("redis", _REDIS, {"BOOKWELL_REDIS_URL": redis_url}),
        ("uncached", _UNCACHED, _NEVER_FRESH),
    ):
        site = stage.site(name, CHOSEN, partners=partners, env=env)
        ask_steadily(site.url, books[:200], per_second=200)
        yield Reading(site, stage.folder).contender(name, title, books[:200] if name != "uncached" else books)


def _budgets(stage: _Stage) -> Iterator[BudgetResult]:
    """Nine partners of which three hang: with circuit breakers as they are, and with ones that never open."""
    well, hanging = [f"/daia/{number}" for number in range(6)], [f"/hang/{number}" for number in range(3)]
    never_open = [f"{path}\nfailures_until_open = 1000\ncalls_at_once = 1000" for path in hanging]
    books = [f"/status/{number}" for number in range(1, _PER_SECOND * _STEADY_SECONDS + 1)]
    for name, partners in (("breakers as usual", hanging), ("breakers that never open", never_open)):
        site = stage.site(name.replace(" ", "-"), MANY_THREADS, partners=[*well, *partners], env={})
        yield BudgetResult(name, ask_steadily(site.url, books, per_second=_PER_SECOND))


def measure_partners(
    folder: Path, stack: ExitStack, *, connections: Sequence[int], rounds: int, seconds: int, say: Callable[[str], None]
) -> PartnersResult:
    """Everything; the last part takes twenty seconds for each kind of breaker."""
    stage = _Stage(folder, stack, _start_stubs(stack))
    redis_url = stack.enter_context(running_servers(["redis"]))["redis"].url
    contenders = list(_contenders(stage, redis_url))
    results = run_rounds(contenders, connections=connections, rounds=rounds, seconds=seconds, say=say)
    say("three of nine partners hang")
    return PartnersResult(results, list(_budgets(stage)))


def print_budgets(result: PartnersResult) -> None:
    """What the time budget comes to."""
    for budget in result.budgets:
        times = [f"p{percent} {budget.latencies.percentile(percent):.3f} s" for percent in (50, 99, 100)]
        print(f"{_PER_SECOND} a second, {budget.name:26} {', '.join(times)}; {budget.latencies.failed} failed")


def partner_targets(result: PartnersResult) -> Iterator[Target]:
    """The targets, at the highest number of connections."""
    measured = rates(result.results, max(each.connections for each in result.results))
    yield Target("status from the cache / bare Flask view", measured[_CACHED] / measured[_BARE], 0.3)
    for budget in result.budgets:
        name = f"p99, 3 of 9 partners hang, {budget.name}"
        yield Target(name, budget.latencies.percentile(99), _BUDGET_SECONDS + 0.1, is_at_most=True, unit=" s")


def _start_stubs(stack: ExitStack) -> int:
    port = free_port()
    process = spawn([sys.executable, "-m", "bench.partner_stubs", str(port)])
    stack.callback(stop, process)
    return port
