"""What every adapter is held to. A new one subclasses `AdapterSuite` and says how it is made for a simulator.

class TestKoha(AdapterSuite):
    library = "library-3"

    def build(self, url, client, seconds):
        return KohaAdapter(KohaOptions(url=f"{url}/api/v1", timeout_seconds=seconds, …), client)
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import ClassVar, get_args

import anyio
import httpx2
import pytest

from bookwell.contracts.partners import HoldRequest, HoldState, HoldStatus, PartnerState
from bookwell.kit import clock
from bookwell.partners.adapters.protocol import (
    Adapter,
    Availability,
    Failure,
    PartnerFailed,
    PartnerRefused,
    Refusal,
)
from bookwell.simulators.moods import Malformed
from tests.contract.partners.adapters.conftest import Site

__all__ = ["AdapterSuite"]

ISBN, OTHER, NOWHERE = "9780261103573", "9780261102217", "9791090636071"
PATIENCE, IMPATIENCE = 20.0, 0.8
TAKES_ITS_TIME = {"slow_drip", "not_http"}
MALFORMED: tuple[str, ...] = get_args(Malformed)

Call = Callable[[Adapter, str], Awaitable[Availability | HoldState]]
CALLS: dict[str, Call] = {
    "fetch": lambda adapter, _: adapter.fetch_availability(ISBN),
    "place": lambda adapter, _: adapter.place_hold(request(OTHER, "reservation:2")),
    "find": lambda adapter, ref: adapter.find_hold(ref),
    "cancel": lambda adapter, ref: adapter.cancel_hold(ref),
}


def request(isbn: str = ISBN, reference: str = "reservation:1", *others: str) -> HoldRequest:
    return HoldRequest(reference=reference, isbn=isbn, other_refs=others)


@pytest.mark.anyio
class AdapterSuite(ABC):
    """Fetching, holds, and every way in which a partner can misbehave."""

    library: ClassVar[str]
    tells_holds_apart: ClassVar[bool] = True
    """Whether a title may be held for several readers at once."""
    posts_before_placing: ClassVar[int] = 0
    """How often the partner is asked before it places a hold."""

    @abstractmethod
    def build(self, url: str, client: httpx2.AsyncClient, seconds: float) -> Adapter:
        """The adapter for the simulated library at `url`, with `seconds` for each call."""

    @pytest.fixture
    def adapter(self, site: Site) -> Adapter:
        return self.build(f"{site.url}/{self.library}", site.client, PATIENCE)

    @pytest.fixture
    def impatient(self, site: Site) -> Adapter:
        return self.build(f"{site.url}/{self.library}", site.client, IMPATIENCE)

    async def test_fetch__copies_in_and_out__counts_those_that_are_in(self, adapter: Adapter, site: Site) -> None:
        await site.stock(self.library, ISBN, free=2, on_loan=[5])

        told = await adapter.fetch_availability(ISBN)

        assert (told.state, told.copies_available) == (PartnerState.AVAILABLE, 2)

    async def test_fetch__all_on_loan__tells_the_first_return_and_the_queue(self, adapter: Adapter, site: Site) -> None:
        await site.stock(self.library, ISBN, on_loan=[9, 3], queue=2)

        told = await adapter.fetch_availability(ISBN)

        assert (told.state, told.copies_available) == (PartnerState.UNAVAILABLE, 0)
        assert told.expected is not None
        assert (told.expected - clock.now().date()).days == 3
        assert told.queue is not None

    async def test_fetch__overdue_loan__promises_nothing(self, adapter: Adapter, site: Site) -> None:
        await site.stock(self.library, ISBN, on_loan=[-4])

        told = await adapter.fetch_availability(ISBN)

        assert (told.state, told.expected) == (PartnerState.UNAVAILABLE, None)

    async def test_fetch__unknown_book__is_unavailable_without_copies(self, adapter: Adapter) -> None:
        told = await adapter.fetch_availability(NOWHERE)

        assert (told.state, told.copies_available) == (PartnerState.UNAVAILABLE, 0)

    async def test_fetch__only_copy_is_set_aside__is_unavailable(self, adapter: Adapter, site: Site) -> None:
        await site.stock(self.library, ISBN, free=1)
        await adapter.place_hold(request())

        for status in ("accepted", "in_transit", "ready"):
            await site.move(self.library, status)
            told = await adapter.fetch_availability(ISBN)
            assert (told.state, told.copies_available) == (PartnerState.UNAVAILABLE, 0), status

    async def test_place__copy_is_free__is_at_the_partner(self, adapter: Adapter, site: Site) -> None:
        await site.stock(self.library, ISBN, free=1)

        placed = await adapter.place_hold(request())

        assert placed.state is HoldStatus.ACCEPTED
        assert [hold["isbn"] for hold in await site.holds(self.library)] == [ISBN]
        assert await adapter.find_hold(placed.ref) == placed

    async def test_place__same_reference_again__is_the_same_hold(self, adapter: Adapter, site: Site) -> None:
        await site.stock(self.library, ISBN, free=2)
        first = await adapter.place_hold(request())

        again = await adapter.place_hold(request())

        assert again == first
        assert await site.open_holds(self.library) == 1

    @pytest.mark.parametrize("mood", [{"outage": "lost_answers"}, {"malformed": "html"}, {"malformed": "truncated"}])
    async def test_place__answer_was_lost__is_found_again(
        self, adapter: Adapter, impatient: Adapter, site: Site, mood: dict[str, str]
    ) -> None:
        await site.stock(self.library, ISBN, free=2)
        asked = impatient if "outage" in mood else adapter
        await asked.find_hold("reservation:1")  # logged in
        await site.feel(self.library, only="POST", after=self.posts_before_placing, **mood)
        with pytest.raises(PartnerFailed):
            await asked.place_hold(request())
        assert await site.open_holds(self.library) == 1
        await site.feel(self.library)

        again = await adapter.place_hold(request())

        assert again.state is HoldStatus.ACCEPTED
        assert await site.open_holds(self.library) == 1

    async def test_place__title_of_another_reservation__never_shares_its_hold(
        self, adapter: Adapter, site: Site
    ) -> None:
        await site.stock(self.library, ISBN, free=2)
        first = await adapter.place_hold(request())

        if self.tells_holds_apart:
            second = await adapter.place_hold(request(ISBN, "reservation:2", first.ref))
            assert second.ref != first.ref
        else:
            with pytest.raises(PartnerRefused, match=Refusal.ALREADY_TAKEN):
                await adapter.place_hold(request(ISBN, "reservation:2", first.ref))

        assert await site.open_holds(self.library) == 1 + self.tells_holds_apart

    async def test_place__unknown_book__is_refused(self, adapter: Adapter, site: Site) -> None:
        with pytest.raises(PartnerRefused) as refused:
            await adapter.place_hold(request(NOWHERE))

        assert refused.value.code is Refusal.NOT_HELD
        assert await site.holds(self.library) == []

    async def test_place__too_many_holds__is_refused(self, adapter: Adapter, site: Site) -> None:
        isbns = (await site.client.get(f"{site.url}/control/{self.library}/stock")).json()["isbns"][:51]
        for isbn in isbns:
            await site.stock(self.library, isbn, free=1)
        for place, isbn in enumerate(isbns[:-1]):
            await adapter.place_hold(request(isbn, f"reservation:{place}"))

        with pytest.raises(PartnerRefused) as refused:
            await adapter.place_hold(request(isbns[-1], "reservation:99"))

        assert refused.value.code is Refusal.LIMIT_REACHED
        assert refused.value.detail
        assert await site.open_holds(self.library) == 50

    async def test_find__hold_moves_on__is_told(self, adapter: Adapter, site: Site) -> None:
        await site.stock(self.library, ISBN, on_loan=[5])
        ref = (await adapter.place_hold(request())).ref

        waiting = await adapter.find_hold(ref)
        await site.move(self.library, "ready")
        ready = await adapter.find_hold(ref)
        await site.move(self.library, "borrowed")
        borrowed = await adapter.find_hold(ref)
        await site.move(self.library, "returned")
        gone = await adapter.find_hold(ref)

        assert (waiting.state, ready.state) == (HoldStatus.ACCEPTED, HoldStatus.READY)
        assert borrowed.state is HoldStatus.BORROWED
        assert borrowed.due_at is not None
        assert gone.state in {HoldStatus.RETURNED, HoldStatus.UNKNOWN}

    async def test_find__lent_while_nobody_looked__is_told_as_a_loan(self, adapter: Adapter, site: Site) -> None:
        await site.stock(self.library, ISBN, free=2)
        ref = (await adapter.place_hold(request())).ref

        await site.move(self.library, "borrowed")
        told = await adapter.find_hold(ref)

        assert told.state is HoldStatus.BORROWED
        assert told.due_at is not None
        assert told.due_at > clock.now()

    async def test_find__nothing_of_ours__is_unknown(self, adapter: Adapter) -> None:
        for ref in ("reservation:1", "%2e%2e", "é", "a" * 400):
            assert (await adapter.find_hold(ref)).state is HoldStatus.UNKNOWN

    async def test_cancel__open_hold__is_gone_at_the_partner(self, adapter: Adapter, site: Site) -> None:
        await site.stock(self.library, ISBN, free=1)
        ref = (await adapter.place_hold(request())).ref

        cancelled = await adapter.cancel_hold(ref)
        again = await adapter.cancel_hold(ref)

        assert cancelled.state is again.state is HoldStatus.CANCELLED
        assert await site.open_holds(self.library) == 0

    async def test_cancel__lent_by_now__is_refused(self, adapter: Adapter, site: Site) -> None:
        await site.stock(self.library, ISBN, free=1)
        ref = (await adapter.place_hold(request())).ref
        await site.move(self.library, "borrowed")

        with pytest.raises(PartnerRefused) as refused:
            await adapter.cancel_hold(ref)

        assert (refused.value.code, refused.value.detail) == (Refusal.REFUSED, "borrowed")

    async def test_any_call__token_forgotten_by_the_partner__logs_in_again(self, adapter: Adapter, site: Site) -> None:
        await site.stock(self.library, ISBN, free=1)
        ref = (await adapter.place_hold(request())).ref
        await site.forget_tokens(self.library)

        found = await adapter.find_hold(ref)

        assert found.state is HoldStatus.ACCEPTED

    async def test_many_calls__one_adapter__log_in_once(self, adapter: Adapter, site: Site) -> None:
        async with anyio.create_task_group() as tasks:
            for place in range(8):
                tasks.start_soon(adapter.find_hold, f"reservation:{place}")

        told = await site.operations(self.library)
        assert sum(count for name, count in told.items() if "login" in name or "token" in name) <= 1

    @pytest.mark.parametrize("malformed", MALFORMED)
    @pytest.mark.parametrize("call", CALLS)
    async def test_any_call__malformed_answers__fails_and_nothing_else(
        self, adapter: Adapter, impatient: Adapter, site: Site, call: str, malformed: str
    ) -> None:
        await site.stock(self.library, ISBN, free=1)
        await site.stock(self.library, OTHER, free=1)
        ref = (await adapter.place_hold(request())).ref
        await site.feel(self.library, malformed=malformed)
        asked = impatient if malformed in TAKES_ITS_TIME else adapter

        if malformed == "unknown_states":
            with suppress(PartnerFailed):
                answer = await CALLS[call](asked, ref)
                assert answer.state != HoldStatus.ACCEPTED
        else:
            with pytest.raises(PartnerFailed) as failed:
                await CALLS[call](asked, ref)
            assert asked is impatient or failed.value.code is not Failure.TIMEOUT  # nothing is waited for

        await site.feel(self.library)
        await adapter.place_hold(request(OTHER, "reservation:2"))
        assert sum(hold["isbn"] == OTHER for hold in await site.holds(self.library)) == 1

    @pytest.mark.parametrize("malformed", MALFORMED)
    async def test_place__malformed_answer_to_the_placing__is_found_again(
        self, adapter: Adapter, impatient: Adapter, site: Site, malformed: str
    ) -> None:
        await site.stock(self.library, ISBN, free=1)
        asked = impatient if malformed in TAKES_ITS_TIME else adapter
        await asked.find_hold("reservation:1")
        await site.feel(self.library, malformed=malformed, only="POST", after=self.posts_before_placing)
        with suppress(PartnerFailed):
            placed = await asked.place_hold(request())
            assert malformed == "unknown_states", placed
        assert await site.open_holds(self.library) == 1
        await site.feel(self.library)

        placed = await adapter.place_hold(request())

        assert placed.state is HoldStatus.ACCEPTED
        assert await site.open_holds(self.library) == 1

    @pytest.mark.parametrize(
        ("mood", "code"),
        [
            ({"outage": "refuse"}, {Failure.UNREACHABLE}),
            ({"outage": "unavailable"}, {Failure.UNAVAILABLE}),
            ({"outage": "hang"}, {Failure.TIMEOUT}),
            ({"latency_ms": 2000}, {Failure.TIMEOUT}),
            ({"error_rate": 1.0}, {Failure.SERVER_ERROR}),
        ],
    )
    @pytest.mark.parametrize("call", CALLS)
    async def test_any_call__partner_is_down__fails_in_time(
        self, impatient: Adapter, site: Site, call: str, mood: dict[str, str], code: set[Failure]
    ) -> None:
        await site.feel(self.library, **mood)

        with pytest.raises(PartnerFailed) as failed:
            await CALLS[call](impatient, "reservation:1")

        assert failed.value.code in code
        assert failed.value.is_partner_down
        assert (failed.value.retry_after == 1) is (mood.get("outage") == "unavailable")

    async def test_any_call__nobody_listens__fails(self, client: httpx2.AsyncClient) -> None:
        adapter = self.build(f"http://127.0.0.1:9/{self.library}", client, PATIENCE)

        with pytest.raises(PartnerFailed) as failed:
            await adapter.fetch_availability(ISBN)

        assert failed.value.code is Failure.UNREACHABLE
