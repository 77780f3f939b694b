"""What the scheduler would have had done by some moment."""

import datetime as dt

from bookwell.library.circulation.tasks import expire_due, remind_due, resume_due

__all__ = ["do_what_is_due"]


def do_what_is_due(*, now: dt.datetime) -> None:
    """Expire, resume, remind."""
    expire_due(now=now)
    resume_due(now=now)
    remind_due(now=now)
