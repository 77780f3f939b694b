"""What the rules say about one book's copies and queue, in plain Python: whom the library must agree with."""

import datetime as dt
from dataclasses import dataclass, field

__all__ = ["BookModel", "Claim"]


@dataclass(slots=True)
class Claim:
    """A reader's open reservation: waiting while it has no copy, then held, then lent."""

    reader: int
    place: int
    copy: str | None = None
    is_lent: bool = False
    suspended_until: dt.datetime | None = None
    reserved_until: dt.datetime | None = None


@dataclass(slots=True)
class BookModel:
    """The copies in service, the claims by reader, and who is served when a copy is free.

    Which of several free copies a reader gets is the library's choice: `served` says who is to get one, `settle` takes
    over which it was.
    """

    blocked: set[int]
    in_service: set[str] = field(default_factory=set)
    claims: dict[int, Claim] = field(default_factory=dict)
    served: list[int] = field(default_factory=list)
    places: int = 0

    def waiting(self) -> list[Claim]:
        """The queue, in order."""
        without_copy = [claim for claim in self.claims.values() if claim.copy is None]
        return sorted(without_copy, key=lambda claim: claim.place)

    def free(self) -> set[str]:
        """Copies that nobody has."""
        return self.in_service - {claim.copy for claim in self.claims.values() if claim.copy}

    def place(self, reader: int, now: dt.datetime, reserved_until: dt.datetime | None) -> None:
        """A new claim, behind all others."""
        self.serve(now)
        self.places += 1
        self.claims[reader] = Claim(reader, self.places, reserved_until=reserved_until)
        if self._number_free():
            self.served.append(reader)

    def serve(self, now: dt.datetime, caught: str | None = None) -> None:
        """Every free copy goes to the next in line; the `caught` one first."""
        while self._number_free() and (claim := self._next_unserved(now)):
            claim.suspended_until = None
            if caught:
                claim.copy, caught = caught, None
            else:
                self.served.append(claim.reader)

    def drop(self, reader: int, now: dt.datetime, caught: str | None = None) -> None:
        """A claim ends; its copy goes on."""
        del self.claims[reader]
        self.serve(now, caught)

    def lend(self, reader: int, copy: str, now: dt.datetime) -> None:
        """A copy is handed over the desk, to a claim or a walk-in; whose suspension has run out comes first."""
        self.serve(now)
        if reader in self.served:
            self.served.remove(reader)
        if reader not in self.claims:
            self.places += 1
        claim = self.claims.setdefault(reader, Claim(reader, self.places))
        claim.copy, claim.is_lent, claim.suspended_until = copy, True, None
        self.serve(now)

    def take_away(self, copy: str, now: dt.datetime) -> None:
        """A copy leaves service: a loan of it ends, a claim on it goes back to its place in the queue."""
        self.in_service.discard(copy)
        for claim in list(self.claims.values()):
            if claim.copy == copy:
                claim.copy = None
                if claim.is_lent:
                    del self.claims[claim.reader]
        self.serve(now)

    def position_of(self, reader: int) -> int | None:
        """Where a reader stands in the queue, from 1; None with a copy."""
        line = [claim.reader for claim in self.waiting() if claim.reader not in self.served]
        return line.index(reader) + 1 if reader in line else None

    def settle(self, copies: dict[int, str]) -> None:
        """Note which copies those who are served got, by reader; each must have been free."""
        for reader in self.served:
            copy = copies.get(reader)
            assert copy in self.free(), f"{reader} was to be served and has {copy}; free were {self.free()}"
            self.claims[reader].copy = copy
        self.served.clear()

    def _number_free(self) -> int:
        return len(self.free()) - len(self.served)

    def _next_unserved(self, now: dt.datetime) -> Claim | None:
        line = (claim for claim in self.waiting() if claim.reader not in self.served)
        return next((claim for claim in line if self._is_eligible(claim, now)), None)

    def _is_eligible(self, claim: Claim, now: dt.datetime) -> bool:
        is_suspended = claim.suspended_until is not None and claim.suspended_until > now
        is_over = claim.reserved_until is not None and claim.reserved_until <= now
        return claim.reader not in self.blocked and not is_suspended and not is_over
