"""Requests at a fixed rate, whether or not earlier ones were answered; each is timed from the moment it was due."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["Latencies", "ask_steadily"]

_PATIENCE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Latencies:
    """Seconds, shortest first, of the requests that got 200; `failed` counts the others."""

    seconds: Sequence[float]
    failed: int

    def percentile(self, percent: float) -> float:
        """The time within which so many of 100 were answered (nearest rank)."""
        return self.seconds[min(len(self.seconds) - 1, int(len(self.seconds) * percent / 100))]


def ask_steadily(url: str, paths: Sequence[str], *, per_second: float) -> Latencies:
    """GET each path once, `per_second` of them each second."""
    return asyncio.run(_ask_all(url, paths, per_second))


async def _ask_all(url: str, paths: Sequence[str], per_second: float) -> Latencies:
    parts = urlsplit(url)
    began = time.perf_counter() + 0.1
    asked = [
        _ask(str(parts.hostname), int(parts.port or 80), path, began + number / per_second)
        for number, path in enumerate(paths)
    ]
    taken = await asyncio.gather(*asked)
    return Latencies(sorted(seconds for seconds in taken if seconds is not None), taken.count(None))


async def _ask(host: str, port: int, path: str, due: float) -> float | None:
    await asyncio.sleep(max(0, due - time.perf_counter()))
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            status = (await reader.readline()).split(b" ", 2)[1]
            await reader.read()
            writer.close()
    except (OSError, TimeoutError, IndexError):
        return None
    return time.perf_counter() - due if status == b"200" else None
