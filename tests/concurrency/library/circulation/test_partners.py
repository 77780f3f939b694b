"""Two workers with one errand, two polls of one hold, a machine client that tells the same twice at once."""

import time
from collections.abc import Iterator, Sequence

import pytest

from bookwell.contracts.messages import Envelope
from bookwell.contracts.partners import HoldState, HoldStatus
from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.messaging import NotNow
from bookwell.library.circulation import services
from bookwell.library.circulation.models import ExternalReference, PartnerHold, Reservation
from bookwell.library.circulation.partner_tasks import poll_due, run_errands
from bookwell.library.circulation.rules import Actor
from bookwell.library.circulation.services import ClientOrder, PartnerChoice
from bookwell.library.plumbing.models import OutboxRow
from tests.concurrency.racing import race
from tests.errands import envelopes_about
from tests.factories import BookFactory, ReaderFactory, unique
from tests.fake_gateway import ISBN, PARTNER, FakeGateway, fake_gateway

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def gateway(committed: str) -> Iterator[FakeGateway]:
    with fake_gateway() as gateway:
        yield gateway


def _requested() -> Reservation:
    reader, book = ReaderFactory.create(), BookFactory.create(copies=0)
    choice = PartnerChoice(PARTNER, ISBN, takes_holds=True, has_said_no=False)
    return run_in_transaction(
        lambda: services.place_at_partner(
            reader_id=reader.pk,
            book_id=book.pk,
            choice=choice,
            actor=Actor(reader.pk, is_librarian=False),
            now=clock.now(),
        )
    )


def _run(envelopes: Sequence[Envelope]) -> str:
    """Why they have to wait, or nothing."""
    try:
        run_errands(envelopes)
    except NotNow as reason:
        return str(reason)
    return ""


def _kinds(reservation: Reservation) -> list[str]:
    rows = OutboxRow.objects.filter(aggregate=f"reservation:{reservation.pk}").order_by("aggregate_version", "pk")
    return list(rows.values_list("type", flat=True))


def test_errand__two_workers_at_once__one_asks_and_the_other_comes_later(gateway: FakeGateway) -> None:
    reservation = _requested()
    envelopes = envelopes_about(reservation.pk)
    gateway.meanwhile = lambda: time.sleep(0.3)

    outcomes = race([lambda: _run(envelopes)] * 2)

    assert gateway.most_in_flight == 1
    assert len(gateway.placed) == 1
    assert sorted(outcome.value for outcome in outcomes) in (["", ""], ["", "hold_unsettled"])
    reservation.refresh_from_db()
    assert reservation.state == "accepted"
    assert _kinds(reservation).count("reservation.partner_accepted") == 1
    assert {hold["reference"] for hold in gateway.placed} == {f"reservation:{reservation.pk}"}


def test_errand__reader_cancels_while_it_is_placed__hold_is_taken_back(gateway: FakeGateway) -> None:
    reservation = _requested()
    envelopes = envelopes_about(reservation.pk)

    def cancel() -> None:
        reader = Actor(reservation.reader_id, is_librarian=False)
        run_in_transaction(
            lambda: services.cancel_reservation(reservation_id=reservation.pk, actor=reader, now=clock.now())
        )

    race([lambda: run_errands(envelopes), cancel])
    run_errands([one for one in envelopes_about(reservation.pk) if one.type == "partner.cancel_hold"])

    reservation.refresh_from_db()
    assert reservation.state == "cancelled"
    assert {hold.state for hold in gateway.holds.values()} <= {HoldStatus.CANCELLED}
    assert _kinds(reservation).count("partner.cancel_hold") == len(gateway.holds)


def test_polls__two_at_once__look_and_tell_once(gateway: FakeGateway) -> None:
    reservation = _requested()
    run_errands(envelopes_about(reservation.pk))
    now, ref = clock.now(), f"reservation:{reservation.pk}"
    PartnerHold.objects.exclude(pk=reservation.pk).update(poll_at=None)
    PartnerHold.objects.filter(pk=reservation.pk).update(poll_at=now)
    gateway.holds[ref] = HoldState(ref=ref, state=HoldStatus.READY)

    numbers = [outcome.value for outcome in race([lambda: poll_due(now=now)] * 2)]

    assert sum(numbers) == 1
    assert _kinds(reservation).count("reservation.partner_ready") == 1


def test_external_ref__told_twice_at_once__is_one_reservation() -> None:
    reader, book = ReaderFactory.create(), BookFactory.create()
    order = ClientOrder("client", reader.card_number, unique("ref"))

    def tell() -> int:
        return run_in_transaction(
            lambda: services.place_for_client(order=order, book_id=book.pk, library=None, choice=None, now=clock.now())
        )

    outcomes = race([tell] * 4)

    assert len({outcome.value for outcome in outcomes}) == 1
    assert Reservation.objects.filter(reader_id=reader.pk).count() == 1
    assert ExternalReference.objects.filter(name=order.external_ref).count() == 1
