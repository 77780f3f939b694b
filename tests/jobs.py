"""What the scheduler would have had done by some moment."""

import datetime as dt

from bookwell.library.circulation.tasks import expire_due, move_deadlines, remind_due, resume_due

__all__ = ["do_what_is_due"]


def do_what_is_due(*, now: dt.datetime) -> None:
    """Move deadlines off closed days, expire, resume, remind."""
    move_deadlines(now=now)
    expire_due(now=now)
    resume_due(now=now)
    remind_due(now=now)
