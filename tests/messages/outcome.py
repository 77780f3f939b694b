"""What must be true once everything has settled, whatever was killed on the way."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any

from bookwell.contracts.messages import NOTICES
from tests.mail_sink import Mail
from tests.messages.made_up import title_of
from tests.messages.site import Site

__all__ = ["Kill", "Outcome"]

_WINDOW_SECONDS = 6.0
"""From a mail's acceptance to the commit that records it: an SMTP deadline, with a slow machine's delay."""
_CLOCK_SECONDS = 0.5
_SENDERS = ("worker", "child of worker", "background", "sink")


@dataclass(frozen=True, slots=True)
class Kill:
    """Who was killed, and when (seconds since 1970)."""

    name: str
    at: float

    @property
    def may_send_twice(self) -> bool:
        """Whether it stood between a mail's hand-over and its record."""
        return self.name.startswith(_SENDERS)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A settled site: rows of the outbox, deliveries, mails."""

    site: Site
    rows: list[dict[str, Any]]
    deliveries: list[dict[str, Any]]
    mails: list[Mail]

    @classmethod
    def of(cls, site: Site) -> "Outcome":
        """Read it."""
        return cls(site, site.rows(), site.deliveries(), site.sink.mails())

    @property
    def duplicates(self) -> int:
        """Mails that were accepted again."""
        return len(self.mails) - len(set(self._mail_ids()))

    def assert_all_is_told_once(self, kills: Sequence[Kill] = (), *, cut: str = "") -> None:
        """Every event has one delivery, sent; every delivery a mail.

        What came twice did so because of a kill, or because the server did not answer (addresses like `cut`).
        """
        assert [row for row in self.rows if row["done_at"] is None or row["error"]] == []
        told = Counter(row["event_id"] for row in self.rows if row["type"] in NOTICES)
        taken_in = Counter(delivery["event_id"] for delivery in self.deliveries)
        assert taken_in == told, f"too many: {self._about(taken_in - told)}; too few: {self._about(told - taken_in)}"
        sent, too_late = self._sent_and_too_late()
        assert {delivery["state"] for delivery in sent} <= {"sent"}
        assert {delivery["state"] for delivery in too_late} <= {"expired"}
        assert set(self._mail_ids()) == {delivery["id"] for delivery in sent}
        self._only_kills_double(kills, cut)

    def assert_only_the_committed_is_told(self) -> None:
        """What the writer committed is in the outbox, what it rolled back is nowhere."""
        ledger = self.site.ledger
        payloads = "\n".join(row["payload"] for row in self.rows)
        committed, rolled_back = ledger.numbers("committed"), ledger.numbers("rolled back")
        texts = "\n".join(text for mail in self.mails for text in mail.parts.values())
        assert committed
        assert rolled_back
        assert [number for number in committed if title_of(number) not in payloads] == []
        assert [number for number in rolled_back if title_of(number) in payloads] == []
        assert [number for number in rolled_back if title_of(number) in texts] == []
        assert [number for number in committed if title_of(number) not in texts] == []

    def assert_in_order(self) -> None:
        """The mails about one thing came in the order of its changes."""
        version_of = {delivery["id"]: delivery["aggregate_version"] for delivery in self.deliveries}
        aggregate_of = {delivery["id"]: delivery["aggregate"] for delivery in self.deliveries}
        versions: defaultdict[str, list[int]] = defaultdict(list)
        for delivery_id in dict.fromkeys(self._mail_ids()):
            versions[aggregate_of[delivery_id]].append(version_of[delivery_id])
        assert {name: found for name, found in versions.items() if found != sorted(found)} == {}

    def _about(self, event_ids: Counter[str]) -> list[str]:
        """What rows and deliveries say about these events, and which nobody knows of."""
        shown = ("event_id", "type", "aggregate", "aggregate_version", "created_at", "state", "done_at")
        records = [("row", row) for row in self.rows] + [("delivery", delivery) for delivery in self.deliveries]
        return [
            f"{kind} { ({name: record[name] for name in shown if name in record}) }"
            for kind, record in records
            if record["event_id"] in event_ids
        ]

    def _mail_ids(self) -> list[str]:
        """The delivery of each mail, in the order in which they were accepted."""
        return [mail.message_id.lstrip("<").partition("@")[0] for mail in self.mails]

    def _sent_and_too_late(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Deliveries that must have been sent, and those that had expired when their change was made."""
        late = [one for one in self.deliveries if one["expires_at"] and one["expires_at"] <= one["created_at"]]
        return [one for one in self.deliveries if one not in late], late

    def _only_kills_double(self, kills: Sequence[Kill], cut: str) -> None:
        times: defaultdict[str, list[float]] = defaultdict(list)
        for delivery_id, mail in zip(self._mail_ids(), self.mails, strict=True):
            if not fnmatchcase(mail.to, cut):
                times[delivery_id].append(mail.accepted_at)
        unexplained = [
            (first, second)
            for accepted in times.values()
            for first, second in pairwise(accepted)
            if not any(_explains(kill, first, second) for kill in kills)
        ]
        assert unexplained == [], kills


def _explains(kill: Kill, first: float, second: float) -> bool:
    """Whether the kill came after the first copy and before the second, soon enough to have lost the record."""
    return kill.may_send_twice and first - _CLOCK_SECONDS <= kill.at <= min(second, first + _WINDOW_SECONDS)
