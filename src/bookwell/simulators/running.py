"""Starts the simulators."""

import os

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from bookwell.kit import clock
from bookwell.simulators.app import Simulators
from bookwell.simulators.server import serve

__all__ = ["SimulatorsSettings", "run_simulators"]


class SimulatorsSettings(BaseSettings):
    """Where the simulators listen, and how far ahead of time they live."""

    model_config = SettingsConfigDict(env_prefix="BOOKWELL_", env_ignore_empty=True, frozen=True, extra="ignore")

    simulators_port: int = Field(default=8030, ge=1, le=65535, description="Where the simulators listen")
    clock_offset: float = Field(
        default=0, allow_inf_nan=False, description="Seconds by which a demo lives ahead, for trying deadlines"
    )


def run_simulators(*, host: str = "127.0.0.1", port: int | None = None) -> None:
    """Serve until SIGINT or SIGTERM; `port` defaults to BOOKWELL_SIMULATORS_PORT.

    Raises:
        SystemExit: in one line, when the port is taken or the address is none of ours.
    """
    settings = SimulatorsSettings()
    clock.set_offset(settings.clock_offset)
    port = port or settings.simulators_port
    try:
        serve(Simulators(), host=host, port=port)
    except OSError as error:
        raise SystemExit(f"Nothing can listen at {host}, port {port}: {os.strerror(error.errno or 0)}") from None
