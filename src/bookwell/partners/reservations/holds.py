"""Holds at partners: placed, looked at and cancelled for the library service."""

from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar

from bookwell.contracts.partners import HoldRequest, HoldState, HoldStatus
from bookwell.kit.errors import Conflict, NotFound, Unavailable
from bookwell.partners.adapters.protocol import PartnerRefused
from bookwell.partners.availability.calls import CallFailed, Partner
from bookwell.partners.loop import EventLoop

__all__ = ["HoldRefused", "Holds", "PartnerSilent", "UnknownPartner"]

_LOOP_MARGIN_SECONDS = 1.0


class UnknownPartner(NotFound):
    """There is no partner of this name."""

    code = "partner.unknown"
    title = "There is no such partner library"


class PartnerSilent(Unavailable):
    """The partner gave no usable answer. Placing again with the same reference places no second hold."""

    code = "partner.silent"
    title = "The partner library does not answer"
    retry_after: ClassVar[int] = 5


class HoldRefused(Conflict):
    """The partner said no for good; `detail` has its words."""

    code = "partner.refused"
    title = "The partner library refuses"


class Holds:
    """Hands each call to its partner's adapter, in the event loop, and waits for it."""

    def __init__(self, partners: Mapping[str, Partner], loop: EventLoop, *, seconds: float) -> None:
        self._partners = partners
        self._loop = loop
        self._seconds = seconds

    def place(self, partner_name: str, hold: HoldRequest) -> HoldState:
        """Place a hold; with a reference that has one already, that hold. A refusal is a state too: `refused`.

        Raises:
            UnknownPartner, PartnerSilent
        """
        partner = self._get(partner_name)
        try:
            return self._call(partner, lambda: partner.adapter.place_hold(hold), is_idempotent=False)
        except HoldRefused as refused:
            return HoldState(ref="", state=HoldStatus.REFUSED, reason=refused.detail)

    def find(self, partner_name: str, ref: str) -> HoldState:
        """A hold's state.

        Raises:
            UnknownPartner, PartnerSilent, HoldRefused
        """
        partner = self._get(partner_name)
        return self._call(partner, lambda: partner.adapter.find_hold(ref), is_idempotent=True)

    def cancel(self, partner_name: str, ref: str) -> HoldState:
        """Cancel a hold; one that is gone counts as cancelled.

        Raises:
            UnknownPartner, PartnerSilent, HoldRefused
        """
        partner = self._get(partner_name)
        return self._call(partner, lambda: partner.adapter.cancel_hold(ref), is_idempotent=True)

    def _get(self, name: str) -> Partner:
        partner = self._partners.get(name)
        if partner is None:
            raise UnknownPartner
        return partner

    def _call(self, partner: Partner, call: Callable[[], Awaitable[HoldState]], *, is_idempotent: bool) -> HoldState:
        async def ask() -> HoldState:
            return await partner.holds.ask(call, seconds=self._seconds, is_idempotent=is_idempotent)

        try:
            return self._loop.run(ask, seconds=self._seconds + _LOOP_MARGIN_SECONDS)
        except (CallFailed, TimeoutError) as failure:
            code = failure.code if isinstance(failure, CallFailed) else "timeout"
            raise PartnerSilent(f"No answer: {code}") from failure
        except PartnerRefused as refusal:
            raise HoldRefused(refusal.detail or refusal.code) from refusal
