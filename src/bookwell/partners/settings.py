"""The partners service's settings from the environment."""

import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from bookwell.kit.production import insecure_url
from bookwell.kit.setting_urls import WebUrl
from bookwell.kit.settings import CommonSettings, InvalidSettings
from bookwell.partners.configuration import PartnerEntry, read_configuration

__all__ = ["PartnersSettings"]


_LOOP_MARGIN_SECONDS = 1.0


class PartnersSettings(CommonSettings):
    """`BOOKWELL_PARTNERS_*` and what every service reads."""

    partners_port: int = Field(default=5013, ge=1, le=65535, description="Where the partners service listens")
    partners_hosts: str = Field(
        default="localhost,127.0.0.1,[::1]", description="Names by which it may be asked, with commas"
    )
    partners_config: Path | None = Field(default=None, description="partners.toml; without it, the simulators")
    partners_budget_ms: int = Field(default=2000, ge=100, le=60_000, description="No answer takes longer")
    partners_hold_ms: int = Field(default=15_000, ge=100, le=50_000, description="For placing a hold at a partner")
    partners_fresh_seconds: int = Field(default=60, ge=0, description="So long an answer is served as it is")
    partners_stale_seconds: int = Field(default=900, ge=0, description="So long it is served while being asked again")
    partners_kept_seconds: int = Field(default=86_400, ge=1, description="So long it is served instead of a failure")
    library_timeout_ms: int = Field(
        default=12_000, ge=100, le=60_000, description="For placing a reservation with the library"
    )
    simulators_url: WebUrl = Field(
        default="", description="Where the demo's partner libraries answer; empty: their port on loopback"
    )
    simulators_port: int = Field(default=8030, ge=1, le=65535, description="Where the simulators listen")

    def _missing_in_production(self) -> Iterator[str]:
        yield from super()._missing_in_production()
        yield from self._missing_secret()
        if self.partners_config is None and not self.simulators_url:
            yield "BOOKWELL_PARTNERS_CONFIG: needed in production; without it the partners are the demo's simulators"

    def _forbidden_in_production(self) -> Iterator[str]:
        yield from super()._forbidden_in_production()
        try:
            entries = self.partners()
        except InvalidSettings as error:
            yield from str(error).splitlines()
            return
        for entry in entries:
            for problem in filter(None, map(insecure_url, entry.options.addresses())):
                yield f'BOOKWELL_PARTNERS_CONFIG: partners."{entry.name}": {problem}'

    def partners(self) -> tuple[PartnerEntry, ...]:
        """The partners of BOOKWELL_PARTNERS_CONFIG, read from it now; none without it.

        Raises:
            InvalidSettings: with one line for each wrong key.
        """
        return read_configuration(self.partners_config, environ=os.environ, default="")

    @property
    def hosts(self) -> list[str]:
        """The names by which the service may be asked."""
        return [host.strip() for host in self.partners_hosts.split(",") if host.strip()]

    @property
    def simulators(self) -> str:
        """Where the partner libraries of the demo answer."""
        return self.simulators_url or f"http://127.0.0.1:{self.simulators_port}"

    @property
    def longest_request_seconds(self) -> float:
        """A hold waits for a partner, a reservation for the library; each ends a second after its limit at last."""
        longest = max(self.partners_budget_ms, self.partners_hold_ms, self.library_timeout_ms)
        return longest / 1000 + _LOOP_MARGIN_SECONDS

    @property
    def budget_seconds(self) -> float:
        """From a request to its answer, at most."""
        return self.partners_budget_ms / 1000
