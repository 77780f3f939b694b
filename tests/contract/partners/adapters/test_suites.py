"""The shared suite for every adapter, against the simulator that speaks its protocol."""

from typing import ClassVar

import httpx2

from bookwell.partners.adapters.protocol import Adapter
from bookwell.partners.adapters.registry import adapter_kind
from tests.contract.partners.adapters.suite import AdapterSuite

ACCOUNT = ("bookwell", "simulated")


class _DaiaSuite(AdapterSuite):
    prefix: ClassVar[str]
    tells_holds_apart = False

    def build(self, url: str, client: httpx2.AsyncClient, seconds: float) -> Adapter:
        kind = adapter_kind("daia")
        options = kind.options.model_validate(
            {
                "url": f"{url}/daia",
                "id_prefix": self.prefix,
                "paia_auth_url": f"{url}/paia/auth",
                "paia_core_url": f"{url}/paia/core",
                "paia_username": ACCOUNT[0],
                "paia_password": ACCOUNT[1],
                "timeout_seconds": seconds,
                "hold_timeout_seconds": seconds,
            }
        )
        return kind.build(options, client)


class TestDaiaOfLibrary2(_DaiaSuite):
    library = "library-2"
    prefix = "isbn:"


class TestDaiaOfLibrary4(_DaiaSuite):
    library = "library-4"
    prefix = "urn:isbn:"
    posts_before_placing = 1  # it asks for a pickup place first


class TestKoha(AdapterSuite):
    library = "library-3"
    lists_loans = False

    def build(self, url: str, client: httpx2.AsyncClient, seconds: float) -> Adapter:
        kind = adapter_kind("koha")
        options = kind.options.model_validate(
            {
                "url": f"{url}/api/v1",
                "client_id": ACCOUNT[0],
                "client_secret": ACCOUNT[1],
                "patron_id": 51,
                "pickup_library_id": "CPL",
                "timeout_seconds": seconds,
                "hold_timeout_seconds": seconds,
            }
        )
        return kind.build(options, client)
