"""Asking partners about holds before their time, because somebody wants to know."""

import datetime as dt
from collections.abc import Sequence

from bookwell.library.circulation.models import PartnerHold

__all__ = ["ask_partners_again"]


def ask_partners_again(*, reservation_ids: Sequence[int], now: dt.datetime) -> int:
    """Let the next poll look at these holds; how many. What was never placed or needs no look is left as it is."""
    return PartnerHold.objects.filter(pk__in=reservation_ids, poll_at__gt=now).update(poll_at=now)
