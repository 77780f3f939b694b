"""Starts the simulators."""

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
    """Serve until SIGINT or SIGTERM; `port` defaults to BOOKWELL_SIMULATORS_PORT."""
    settings = SimulatorsSettings()
    clock.set_offset(settings.clock_offset)
    serve(Simulators(), host=host, port=port or settings.simulators_port)
