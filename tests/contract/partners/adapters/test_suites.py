"""The shared suite for every adapter, against the simulator that speaks its protocol."""

from typing import ClassVar

import httpx2
import pytest

from bookwell.contracts.partners import HoldStatus
from bookwell.partners.adapters.protocol import Adapter, PartnerFailed
from bookwell.partners.adapters.registry import adapter_kind
from tests.contract.partners.adapters.conftest import Site
from tests.contract.partners.adapters.suite import ISBN, AdapterSuite, request

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

    async def test_place__answer_was_lost_and_the_book_is_lent_by_now__is_the_loan(
        self, adapter: Adapter, impatient: Adapter, site: Site
    ) -> None:
        await site.stock(self.library, ISBN, free=2)
        await impatient.find_hold("reservation:1")  # logged in
        await site.feel(self.library, only="POST", outage="lost_answers")
        with pytest.raises(PartnerFailed):
            await impatient.place_hold(request())
        await site.feel(self.library)
        await site.move(self.library, "borrowed")

        again = await adapter.place_hold(request())

        assert again.state is HoldStatus.BORROWED
        assert len(await site.holds(self.library)) == 1

    async def test_find__cancelled_by_the_partner__is_told(self, adapter: Adapter, site: Site) -> None:
        await site.stock(self.library, ISBN, free=1)
        ref = (await adapter.place_hold(request())).ref
        await site.move(self.library, "ready")
        await site.move(self.library, "cancelled")

        told = await adapter.find_hold(ref)

        assert told.state is HoldStatus.CANCELLED

    async def test_find__two_reservations_of_a_title__each_has_its_own_loan(self, adapter: Adapter, site: Site) -> None:
        await site.stock(self.library, ISBN, free=2)
        for number in (1, 2):
            await adapter.place_hold(request(ISBN, f"reservation:{number}"))
            await site.move(self.library, "borrowed")

        first = (await site.holds(self.library))[0]["ref"]
        await site.client.post(f"{site.url}/control/{self.library}/holds/{first}", json={"status": "returned"})

        states = [(await adapter.find_hold(f"reservation:{number}")).state for number in (1, 2)]
        assert states == [HoldStatus.RETURNED, HoldStatus.BORROWED]
