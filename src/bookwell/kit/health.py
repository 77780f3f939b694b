"""Health of a service: what it depends on, and whether each answers."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import structlog
from pydantic import BaseModel

from bookwell.kit.draining import is_draining

__all__ = ["Check", "DependencyState", "HealthReport", "examine"]

Check = Callable[[], None]
"""Returns when the dependency serves, raises when it does not."""

_SERVER = "server"
_log = structlog.get_logger()


class DependencyState(BaseModel):
    """One dependency as it was a moment ago; how long it took to say so."""

    name: str
    state: Literal["up", "down"]
    milliseconds: float


class HealthReport(BaseModel):
    """The service and everything it needs; `down` when any of it is."""

    service: str
    version: str
    state: Literal["up", "down"]
    dependencies: list[DependencyState]


def examine(service: str, version: str, checks: Mapping[str, Check]) -> HealthReport:
    """Run every check, one after the other; a failure is logged and told as `down`, without its cause.

    A server that is about to stop tells that of itself.
    """
    states = [_examine_one(name, check) for name, check in checks.items()]
    if is_draining():
        states.append(DependencyState(name=_SERVER, state="down", milliseconds=0))
    state: Any = "up" if all(state.state == "up" for state in states) else "down"
    return HealthReport(service=service, version=version, state=state, dependencies=states)


def _examine_one(name: str, check: Check) -> DependencyState:
    began = time.perf_counter()
    state: Literal["up", "down"] = "up"
    try:
        check()
    except Exception:  # noqa: BLE001 -- whatever it is, the dependency does not serve
        _log.warning("health.dependency_down", dependency=name, exc_info=True)
        state = "down"
    return DependencyState(name=name, state=state, milliseconds=round((time.perf_counter() - began) * 1000, 2))
