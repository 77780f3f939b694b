"""The schedule: every job, how often it runs, and why.

The scheduler sends a job's name to its queue; the service behind the queue knows what it does. Every job decides by
its rows what is due, so it may run twice, late, and by two schedulers.
"""

from dataclasses import dataclass

__all__ = ["JOBS", "Job"]


@dataclass(frozen=True, slots=True)
class Job:
    """One line of the schedule; `seconds` is the pause between two starts."""

    name: str
    queue: str
    seconds: int
    reason: str


JOBS = (
    Job("library.expire", "library", 30, "A copy that nobody fetched goes to the next reader without being asked."),
    Job(
        "library.move_deadlines",
        "library",
        30,
        "A branch that will be closed on a day moves the deadlines that fall on it, and tells its readers.",
    ),
    Job("library.resume", "library", 60, "A suspension that has ended makes its reader eligible again."),
    Job("library.remind", "library", 60, "Readers hear before a deadline, and when a loan is overdue."),
    Job(
        "library.poll_partners",
        "library",
        30,
        "Partners tell nobody when a hold is ready, lent or returned; they are asked.",
    ),
    Job("library.refresh_partners", "library", 60, "A reader who waits may be served sooner by a partner library."),
    Job(
        "library.forget",
        "library",
        900,
        "Keys, sessions, cache entries, told messages and log records are not kept for ever.",
    ),
    Job("tables.expire", "tables", 30, "An order that nobody answered in time is not left open: its guest is told."),
    Job("tables.escalate", "tables", 60, "Staff hear of an order that waits while there is time to decide it."),
    Job("tables.remind", "tables", 60, "Guests hear of their booking the day before, at a decent hour."),
    Job(
        "tables.forget", "tables", 900, "What is known of guests, keys, tokens and told messages is not kept for ever."
    ),
    Job("notifier.deliver", "mail", 5, "What could not be sent before is tried again when its pause is over."),
    Job("notifier.deliver_sms", "sms", 5, "What a provider of SMS did not take is tried again, and holds up no mail."),
    Job("notifier.deliver_webhooks", "webhook", 5, "An endpoint that was away gets its webhooks for three days."),
    Job("notifier.forget", "mail", 900, "What messages said is forgotten some time after they were sent."),
)
