"""Rounds: every contender in turn, at each number of connections, as often as asked; medians in the end."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.contenders import Contender
from bench.load import InvalidRun, Sample

__all__ = ["Result", "run_rounds"]

_ATTEMPTS = 3


@dataclass(slots=True)
class Result:
    """All samples of one contender at one number of connections."""

    contender: Contender
    connections: int
    samples: list[Sample] = field(default_factory=list)
    thrown_away: int = 0

    @property
    def rate(self) -> float:
        """Requests a second, the median of the rounds."""
        return statistics.median(sample.rate for sample in self.samples)

    @property
    def p50(self) -> float:
        """Median latency in milliseconds, the median of the rounds."""
        return statistics.median(sample.p50 for sample in self.samples)

    @property
    def p99(self) -> float:
        """99th percentile of the latency in milliseconds, the median of the rounds."""
        return statistics.median(sample.p99 for sample in self.samples)

    @property
    def spread(self) -> float:
        """How far the fastest round was ahead of the slowest, as a share of the median."""
        rates = [sample.rate for sample in self.samples]
        return (max(rates) - min(rates)) / self.rate


def run_rounds(
    contenders: Sequence[Contender],
    *,
    connections: Sequence[int],
    rounds: int,
    seconds: int,
    say: Callable[[str], None],
) -> list[Result]:
    """Measure all in turns; every other round goes backwards, so that a drift of the machine cancels out.

    One more round comes before them and is forgotten: whatever fills caches the first time has been asked by then.
    """
    results = [Result(contender, count) for contender in contenders for count in connections]
    say("a round to warm up")
    for result in results:
        _measure(result, seconds)
        result.samples.clear()
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        for result in reversed(results) if number % 2 else results:
            _measure(result, seconds)
    return results


def _measure(result: Result, seconds: int) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            result.samples.append(result.contender.measure(result.connections, seconds))
        except InvalidRun as error:
            result.thrown_away += 1
            if attempt == _ATTEMPTS:
                raise InvalidRun(f"{result.contender.name}: {error}") from error
        else:
            return
