"""The partners of a demo: the simulators, when no partners.toml is given."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["SimulatedPartners", "simulated_partners"]

_CONFIGURATION = """
[partners."library 2"]
protocol = "daia"
url = "{url}/library-2/daia"
insecure = true
"""


@dataclass(frozen=True, slots=True)
class SimulatedPartners:
    """A partners.toml, and the environment that its secrets come from: the simulators' are no secrets."""

    configuration: str
    environ: Mapping[str, str]


def simulated_partners(url: str) -> SimulatedPartners:
    """The three libraries of the simulators at `url`."""
    return SimulatedPartners(_CONFIGURATION.format(url=url), {})
