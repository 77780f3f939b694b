"""A raw transaction from many processes at once, with neither a framework nor HTTP."""

import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.library import FIRST_PLACER, PLACERS, Books
from bench.load import Sample
from bench.reservation_transaction import RawConnection

__all__ = ["STRIDE", "Open", "Reserving", "measure_raw"]

STRIDE = 7919
"""A prime: the books of one series lie far apart, and each comes once in a round."""

Open = Callable[[], Callable[[int], object]]
"""Opens a connection in a new process, and answers what does the transaction of a number."""


@dataclass(frozen=True, slots=True)
class Reserving:
    """Opens what reserves books; the i-th is for another reader in every run (`shift`)."""

    url: str
    books: Books
    shift: int

    def __call__(self) -> Callable[[int], object]:
        """Connect."""
        connection = RawConnection(self.url)

        def reserve(index: int) -> int:
            reader = FIRST_PLACER + (index + self.shift + index // self.books.count * 13) % PLACERS
            book = self.books.first + index * STRIDE % self.books.count
            return connection.reserve(reader_id=reader, book_id=book)

        return reserve


def measure_raw(begin: Open, *, processes: int, seconds: float) -> Sample:
    """Do it in `processes` processes for `seconds`; each has numbers of its own."""
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[list[float]] = context.Queue()
    ready = context.Barrier(processes + 1)
    shares = [
        context.Process(target=_repeat, args=(begin, number, processes, seconds, ready, results), daemon=True)
        for number in range(processes)
    ]
    for share in shares:
        share.start()
    ready.wait(60)
    latencies = sorted(latency for _ in shares for latency in results.get(timeout=seconds + 60))
    for share in shares:
        share.join()
    middle, late = latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100]
    return Sample(len(latencies) / seconds, middle * 1000, late * 1000)


def _repeat(
    begin: Open,
    index: int,
    step: int,
    seconds: float,
    ready: "multiprocessing.synchronize.Barrier",
    results: "multiprocessing.Queue[list[float]]",
) -> None:
    work = begin()
    latencies: list[float] = []
    ready.wait(60)
    start = time.perf_counter()
    now = start
    while now - start < seconds:
        work(index)
        before, now = now, time.perf_counter()
        latencies.append(now - before)
        index += step
    results.put(latencies)
