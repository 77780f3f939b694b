"""SMS from the notice to the provider."""

import json
from pathlib import Path

from bookwell.notifier.db import Database
from bookwell.notifier.service import Notifier
from bookwell.notifier.settings import NotifierSettings
from tests.notifying import an_envelope, deliveries_of
from tests.receivers import receiver

_GUEST = {"reference": "guest:5", "name": "Ada", "phone": "+48 601 234 567", "language": "pl", "channels": ["sms"]}


def test_deliver__somebody_who_gave_only_a_number__gets_the_short_form(database: Database, tmp_path: Path) -> None:
    by_choice = an_envelope(aggregate="reservation:1", recipient=_GUEST)
    by_duty = an_envelope(aggregate="reservation:2", recipient=_GUEST | {"channels": ["email"]}, is_mandatory=True)
    with receiver() as server:
        settings = NotifierSettings(data_dir=tmp_path, sms_url=server.url, sms_auth="Bearer hush")
        notifier = Notifier(settings, database=database)
        notifier.take_in([by_choice, by_duty])
        notifier.deliver([by_choice, by_duty])  # the queue of mails sends mails alone
        before = len(server.received)
        notifier.deliver_due(channel="sms")

    assert before == 0
    assert [(row.channel, row.state, row.address) for row in deliveries_of(database)] == [
        ("sms", "sent", "+48601234567")
    ] * 2
    bodies = [json.loads(got.body) for got in server.received]
    assert bodies[0] == {"to": "+48601234567", "text": "Do odbioru: Solaris"}
    assert server.received[0].headers["Authorization"] == "Bearer hush"
    traces = {row.traceparent[:35] for row in deliveries_of(database)}
    assert {got.headers["traceparent"][:35] for got in server.received} == traces
    assert len(traces) == 2


def test_take_in__without_a_provider__nobody_gets_an_sms_and_the_row_says_why(
    database: Database, tmp_path: Path
) -> None:
    Notifier(NotifierSettings(data_dir=tmp_path), database=database).take_in([an_envelope(recipient=_GUEST)])

    (row,) = deliveries_of(database)
    assert (row.state, row.reason) == ("suppressed", "none of the recipient's channels exists here")
