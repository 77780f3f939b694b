"""`wrk`, one thread of it: cheap enough to leave the two cores to what is measured."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.infrastructure.installing import can_install, install

__all__ = ["InvalidRun", "Sample", "ask"]

_SCRIPT = Path(__file__).with_name("load.lua")


class InvalidRun(RuntimeError):
    """Answers other than 2xx, or broken connections: such a run measures nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement: requests a second, latencies in milliseconds, and where a series of requests ended."""

    rate: float
    p50: float
    p99: float
    next_index: int = 0


def ask(url: str, *arguments: str, connections: int, seconds: int) -> Sample:
    """Run wrk against `url` with `load.lua`'s arguments.

    Raises:
        InvalidRun
    """
    command = [_wrk(), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s", "-s", str(_SCRIPT), url, "--"]
    output = _run([*command, *arguments], seconds + 30)
    result = json.loads(output.splitlines()[-1])
    if result["refused"] or result["broken"]:
        raise InvalidRun(f"{result['refused']} refused, {result['broken']} broken of {result['requests']}")
    rate = result["requests"] / result["duration"] * 1e6
    return Sample(rate, result["p50"] / 1000, result["p99"] / 1000, int(result["index"]))


def _wrk() -> str:
    if shutil.which("wrk") is None and can_install():
        install(["wrk"])
    program = shutil.which("wrk")
    if program is None:
        raise SystemExit("wrk is missing: apt-get install wrk")
    return program


def _run(command: Sequence[str], timeout: float) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode or not done.stdout.strip():
        raise InvalidRun(f"wrk failed: {done.stderr or done.stdout}")
    return done.stdout
