"""The partners of a demo: the simulators, when no partners.toml is given."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["SimulatedPartners", "simulated_partners"]

_PASSWORD = "BOOKWELL_SIMULATORS_PASSWORD"  # noqa: S105 -- a name
_CONFIGURATION = """
[partners."library 2"]
protocol = "daia"
url = "{url}/library-2/daia"
insecure = true
paia_auth_url = "{url}/library-2/paia/auth"
paia_core_url = "{url}/library-2/paia/core"
paia_username = "bookwell"
paia_password_env = "{password}"

[partners."library 3"]
protocol = "koha"
url = "{url}/library-3/api/v1"
insecure = true
username = "bookwell"
password_env = "{password}"
patron_id = 51
pickup_library_id = "CPL"

[partners."library 4"]
protocol = "daia"
url = "{url}/library-4/daia"
insecure = true
id_prefix = "urn:isbn:"
paia_auth_url = "{url}/library-4/paia/auth"
paia_core_url = "{url}/library-4/paia/core"
paia_username = "bookwell"
paia_password_env = "{password}"
"""


@dataclass(frozen=True, slots=True)
class SimulatedPartners:
    """A partners.toml, and the environment that its secrets come from: the simulators' are no secrets."""

    configuration: str
    environ: Mapping[str, str]


def simulated_partners(url: str) -> SimulatedPartners:
    """The three libraries of the simulators at `url`."""
    text = _CONFIGURATION.format(url=url, password=_PASSWORD)
    return SimulatedPartners(text, MappingProxyType({_PASSWORD: "simulated"}))
