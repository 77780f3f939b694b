"""The raw reservation transaction from many processes at once, with neither Django nor HTTP."""

import multiprocessing
import time

from bench.library import FIRST_PLACER, PLACERS, Books
from bench.load import Sample
from bench.reservation_transaction import RawConnection

__all__ = ["STRIDE", "measure_raw"]

STRIDE = 7919
"""A prime: the books of one series lie far apart, and each comes once in a round."""


def measure_raw(url: str, books: Books, *, processes: int, seconds: float, shift: int = 0) -> Sample:
    """Reserve from `processes` connections, one process each, for `seconds`; each has books of its own."""
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[list[float]] = context.Queue()
    ready = context.Barrier(processes + 1)
    shares = [
        context.Process(
            target=_reserve, args=(url, books, (number, processes, shift), seconds, ready, results), daemon=True
        )
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


def _reserve(
    url: str,
    books: Books,
    series: tuple[int, int, int],
    seconds: float,
    ready: "multiprocessing.synchronize.Barrier",
    results: "multiprocessing.Queue[list[float]]",
) -> None:
    connection = RawConnection(url)
    index, step, shift = series
    latencies: list[float] = []
    ready.wait(60)
    start = time.perf_counter()
    now = start
    while now - start < seconds:
        reader = FIRST_PLACER + (index + shift + index // books.count * 13) % PLACERS
        connection.reserve(reader_id=reader, book_id=books.first + index * STRIDE % books.count)
        before, now = now, time.perf_counter()
        latencies.append(now - before)
        index += step
    results.put(latencies)
