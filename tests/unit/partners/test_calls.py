import time
from collections.abc import Callable
from functools import partial

import anyio
import pytest

from bookwell.contracts.partners import HoldRequest, HoldState
from bookwell.partners.adapters.protocol import Availability, Failure, PartnerFailed, PartnerRefused, Refusal
from bookwell.partners.availability.breaker import Circuit
from bookwell.partners.availability.calls import CallFailed, Partner
from tests.fake_partners import ISBN, FakeAdapter, down, entry_of


def ask(partner: Partner, adapter: FakeAdapter, *, seconds: float = 1, is_idempotent: bool = True) -> Availability:
    return anyio.run(lambda: _ask(partner, adapter, seconds, is_idempotent=is_idempotent))


async def _ask(partner: Partner, adapter: FakeAdapter, seconds: float, *, is_idempotent: bool) -> Availability:
    call = lambda: adapter.fetch_availability(ISBN)  # noqa: E731 -- as callers do
    return await partner.availability.ask(call, seconds=seconds, is_idempotent=is_idempotent)


def partner_of(adapter: FakeAdapter, clock: Callable[[], float] = time.monotonic, **rules: float) -> Partner:
    return Partner(entry_of("library 2", adapter, **rules), adapter, steady_clock=clock)


def test_ask__it_fails_once__is_tried_again() -> None:
    adapter = FakeAdapter(failures=down(1))
    partner = partner_of(adapter)

    found = ask(partner, adapter)

    assert found.state == "available"
    assert (adapter.calls, partner.availability.circuit) == (2, Circuit.CLOSED)


def test_ask__it_keeps_failing__is_tried_three_times() -> None:
    adapter = FakeAdapter(failures=down())

    with pytest.raises(CallFailed) as failed:
        ask(partner_of(adapter), adapter)

    assert (failed.value.code, adapter.calls) == ("server_error", 3)


def test_ask__the_call_is_not_idempotent__is_tried_once() -> None:
    adapter = FakeAdapter(failures=down())

    with pytest.raises(CallFailed):
        ask(partner_of(adapter), adapter, is_idempotent=False)

    assert adapter.calls == 1


@pytest.mark.parametrize("code", [Failure.MALFORMED, Failure.TOO_LARGE, Failure.REDIRECTED, Failure.UNAUTHORIZED])
def test_ask__asking_again_would_not_help__is_tried_once(code: Failure) -> None:
    adapter = FakeAdapter(failures=[PartnerFailed(code)])

    with pytest.raises(CallFailed):
        ask(partner_of(adapter), adapter)

    assert adapter.calls == 1


def test_ask__it_hangs__fails_when_the_time_is_over() -> None:
    adapter = FakeAdapter(seconds=3600)

    with pytest.raises(CallFailed) as failed:
        ask(partner_of(adapter), adapter, seconds=0.2)

    assert failed.value.code == "timeout"


def test_ask__told_to_come_back_within_the_time__waits_for_it() -> None:
    adapter = FakeAdapter(failures=[PartnerFailed(Failure.RATE_LIMITED, retry_after=0.3)])
    began = time.monotonic()

    ask(partner_of(adapter), adapter)

    assert adapter.calls == 2
    assert time.monotonic() - began >= 0.3


def test_ask__told_to_come_back_later__leaves_it_alone_until_then() -> None:
    adapter = FakeAdapter(failures=[PartnerFailed(Failure.UNAVAILABLE, retry_after=60)])
    now = [1000.0]
    partner = partner_of(adapter, lambda: now[0])

    with pytest.raises(CallFailed):
        ask(partner, adapter)
    with pytest.raises(CallFailed) as refused:
        ask(partner, adapter)
    now[0] += 60
    found = ask(partner, adapter)

    assert (refused.value.code, refused.value.retry_after) == ("circuit_open", 60)
    assert (adapter.calls, found.state) == (2, "available")


def test_ask__a_fault_in_an_adapter__fails_with_a_code() -> None:
    adapter = FakeAdapter(failures=[ZeroDivisionError()])

    with pytest.raises(CallFailed) as failed:
        ask(partner_of(adapter), adapter)

    assert failed.value.code == "internal_error"


def test_ask__the_partner_refuses__is_told_and_counts_as_an_answer() -> None:
    adapter = FakeAdapter(failures=[PartnerRefused(Refusal.LIMIT_REACHED) for _ in range(9)])
    partner = partner_of(adapter)

    for _ in range(9):
        with pytest.raises(PartnerRefused):
            ask(partner, adapter)

    assert (partner.availability.circuit, partner.statistics.error_rate) == (Circuit.CLOSED, 0)


def test_circuit__a_partner_fails_and_comes_back__opens_half_opens_and_closes() -> None:
    adapter = FakeAdapter(failures=down(4))
    now = [1000.0]
    partner = partner_of(adapter, lambda: now[0], failures_until_open=3, open_seconds=10)
    seen = [partner.availability.circuit]

    for pause in (0, 0, 0, 5, 5, 20):
        now[0] += pause
        seen.append(partner.availability.circuit)
        try:
            ask(partner, adapter, is_idempotent=False)
        except CallFailed:
            continue
    seen.append(partner.availability.circuit)

    assert [str(circuit) for circuit in seen] == [
        "closed",  # before
        "closed",
        "closed",
        "closed",
        "open",  # five seconds after the third failure: nobody asks
        "half_open",  # ten seconds after it: the try fails, and it opens for twice as long
        "half_open",
        "closed",
    ]
    assert adapter.calls == 5


def test_ask__more_calls_than_slots__only_so_many_are_in_flight() -> None:
    adapter = FakeAdapter(seconds=0.05)

    async def crowd() -> None:
        partner = partner_of(adapter, calls_at_once=2)
        async with anyio.create_task_group() as tasks:
            for _ in range(6):
                tasks.start_soon(lambda: _ask(partner, adapter, 2, is_idempotent=True))

    anyio.run(crowd)

    assert (adapter.calls, adapter.most_in_flight) == (6, 2)


def test_ask__no_slot_becomes_free_in_time__is_busy() -> None:
    adapter = FakeAdapter(seconds=5)
    codes = []

    async def crowd() -> None:
        partner = partner_of(adapter, calls_at_once=1)

        async def one() -> None:
            try:
                await _ask(partner, adapter, 0.2, is_idempotent=True)
            except CallFailed as failed:
                codes.append(failed.code)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one)
            tasks.start_soon(one)

    anyio.run(crowd)

    assert sorted(codes) == ["busy", "timeout"]


def ask_for_hold(partner: Partner, adapter: FakeAdapter) -> HoldState:
    call = partial(adapter.place_hold, HoldRequest(reference="reservation:1", isbn=ISBN))
    return anyio.run(lambda: partner.holds.ask(call, seconds=1, is_idempotent=False))


def test_hold__availability_has_opened_its_circuit__is_placed() -> None:
    adapter = FakeAdapter(failures=down(2))
    partner = partner_of(adapter, failures_until_open=1)
    with pytest.raises(CallFailed):
        ask(partner, adapter)
    adapter.failures.clear()

    placed = ask_for_hold(partner, adapter)

    assert placed.state == "accepted"
    assert (partner.availability.circuit, partner.holds.circuit) == (Circuit.OPEN, Circuit.CLOSED)


def test_hold__fails_again_and_again__opens_its_own_circuit_alone() -> None:
    adapter = FakeAdapter(failures=down(2))
    partner = partner_of(adapter, failures_until_open=2)

    for _ in range(2):
        with pytest.raises(CallFailed):
            ask_for_hold(partner, adapter)
    with pytest.raises(CallFailed) as refused:
        ask_for_hold(partner, adapter)

    assert (refused.value.code, adapter.calls) == ("circuit_open", 2)
    assert ask(partner, adapter).state == "available"


def test_hold__every_slot_for_availability_hangs__is_placed() -> None:
    slow, quick = FakeAdapter(seconds=30), FakeAdapter()
    partner = partner_of(slow, calls_at_once=1)

    async def both() -> HoldState:
        placing = partial(quick.place_hold, HoldRequest(reference="reservation:1", isbn=ISBN))
        async with anyio.create_task_group() as group:
            group.start_soon(partial(_ask, partner, slow, 30, is_idempotent=True))
            await anyio.wait_all_tasks_blocked()
            placed = await partner.holds.ask(placing, seconds=5, is_idempotent=False)
            group.cancel_scope.cancel()
        return placed

    assert anyio.run(both).state == "accepted"


def test_hold__partner_asked_to_be_left_alone_by_availability__is_not_asked_either() -> None:
    adapter = FakeAdapter(failures=[PartnerFailed(Failure.RATE_LIMITED, retry_after=60)])
    partner = partner_of(adapter)
    with pytest.raises(CallFailed):
        ask(partner, adapter)

    with pytest.raises(CallFailed) as refused:
        ask_for_hold(partner, adapter)

    assert (refused.value.code, adapter.calls) == ("circuit_open", 1)
