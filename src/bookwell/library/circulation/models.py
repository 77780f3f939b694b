"""Copies, the queue, and reservations.

`Holding` is one row per book: the lock and the counters of everything about that book's copies and queue.
"""

from typing import Any

from django.db import models
from django.db.models import CheckConstraint, F, Q, UniqueConstraint

from bookwell.library.circulation.rules import COPY_STATES, DEFAULT_TERMS, OPEN_STATES, CopyStatus, State


class Holding(models.Model):
    """A book's counters and its lock. `next_queue_no` numbers the queue, `version` counts every change."""

    book = models.OneToOneField("catalog.Book", on_delete=models.PROTECT, primary_key=True, related_name="holding")
    copies_total = models.IntegerField(default=0)
    copies_available = models.IntegerField(default=0)
    queue_length = models.IntegerField(default=0)
    next_queue_no = models.BigIntegerField(default=1)
    version = models.BigIntegerField(default=0)

    class Meta:
        db_table = "holding"
        constraints = [
            CheckConstraint(
                name="holding_counters",
                condition=Q(copies_available__gte=0, queue_length__gte=0, copies_available__lte=F("copies_total")),
            )
        ]
        indexes = [models.Index(fields=["copies_available", "book"], name="holding_available")]


class Copy(models.Model):
    """One physical item. `branch` owns it; `location` is where it stands or, while `is_travelling`, where it goes.

    A copy is free when it is in service and no open reservation holds it; that is not stored twice.
    """

    barcode = models.CharField(max_length=64)
    book = models.ForeignKey("catalog.Book", on_delete=models.PROTECT, related_name="copies")
    branch = models.ForeignKey("network.Branch", on_delete=models.PROTECT, related_name="+")
    location = models.ForeignKey("network.Branch", on_delete=models.PROTECT, related_name="+")
    is_travelling = models.BooleanField(default=False)
    condition = models.CharField(max_length=100, blank=True, db_column="item_condition")
    status = models.CharField(
        max_length=16, choices=[(status.value, status.value) for status in CopyStatus], default=CopyStatus.IN_SERVICE
    )
    version = models.BigIntegerField(default=1)

    class Meta:
        db_table = "copy"
        verbose_name_plural = "copies"
        constraints = [UniqueConstraint(fields=["barcode"], name="copy_barcode_once")]

    def __str__(self) -> str:
        return self.barcode


class Policy(models.Model):
    """What a category of readers may do, at one branch or (`branch` empty) everywhere else.

    `branch_key` is the branch's id or 0, so that a unique constraint sees two general policies of one category.
    """

    category = models.ForeignKey("accounts.ReaderCategory", on_delete=models.PROTECT, db_index=False)
    branch = models.ForeignKey("network.Branch", on_delete=models.PROTECT, null=True, blank=True)
    branch_key = models.BigIntegerField(default=0, editable=False)
    max_open_reservations = models.PositiveSmallIntegerField(default=DEFAULT_TERMS.max_open_reservations)
    max_open_loans = models.PositiveSmallIntegerField(default=DEFAULT_TERMS.max_open_loans)
    loan_days = models.PositiveSmallIntegerField(default=DEFAULT_TERMS.loan_days)
    max_renewals = models.PositiveSmallIntegerField(default=DEFAULT_TERMS.max_renewals)
    pickup_days = models.PositiveSmallIntegerField(default=DEFAULT_TERMS.pickup_days, help_text="Opening days only")
    reminder_days = models.PositiveSmallIntegerField(
        default=DEFAULT_TERMS.reminder_days, help_text="Before the due date"
    )
    overdue_loans_that_block = models.PositiveSmallIntegerField(default=DEFAULT_TERMS.overdue_loans_that_block)
    shelve_immediately = models.BooleanField(default=DEFAULT_TERMS.shelve_immediately)
    renewal_blocked_by_queue = models.BooleanField(default=DEFAULT_TERMS.renewal_blocked_by_queue)
    self_return = models.BooleanField(default=DEFAULT_TERMS.self_return)

    class Meta:
        db_table = "policy"
        verbose_name_plural = "policies"
        constraints = [UniqueConstraint(fields=["category", "branch_key"], name="policy_once")]

    def __str__(self) -> str:
        """Whose policy it is, and where."""
        return f"{self.category}, {self.branch or 'all branches'}"

    def save(self, **options: Any) -> None:
        """Keep the key beside the branch."""
        self.branch_key = self.branch_id or 0
        super().save(**options)


class Block(models.Model):
    """Why a reader may not reserve or borrow for now. The queue passes a blocked reader over, keeping the place."""

    reader = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="blocks")
    reason = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "reader_block"

    def __str__(self) -> str:
        """Who is blocked, and why."""
        return f"{self.reader}: {self.reason}"


class Reservation(models.Model):
    """One reader's claim on one book, from placing it to giving the book back.

    `open_marker` is 1 in open states and NULL afterwards, so that a unique constraint sees open ones only;
    `held_copy_id` likewise repeats `copy` while the copy is this reservation's. `queue_no` orders those that wait;
    it is kept, so that whoever loses a copy to a repair goes back to the same place. `next_reminder_at` is set while
    its reader is to be reminded of a deadline (`rules.py` says when); the scheduler's job looks for nothing else.
    `policy_due_at` is when a loan is due without its reader's wish; of loans from before that was kept it is empty.
    """

    # Every index costs each reservation: foreign keys that lead an index below have none of their own.
    book = models.ForeignKey("catalog.Book", on_delete=models.PROTECT, related_name="reservations", db_index=False)
    reader = models.ForeignKey("accounts.User", on_delete=models.PROTECT, related_name="reservations", db_index=False)
    state = models.CharField(max_length=12, choices=[(state.value, state.value) for state in State])
    open_marker = models.SmallIntegerField(null=True)
    pickup_branch = models.ForeignKey("network.Branch", on_delete=models.PROTECT, related_name="+", db_index=False)
    copy = models.ForeignKey(Copy, on_delete=models.SET_NULL, null=True, related_name="reservations")
    held_copy_id = models.BigIntegerField(null=True)
    queue_no = models.BigIntegerField()
    is_on_pull_list = models.BooleanField(default=False)
    suspended_until = models.DateTimeField(null=True)
    reserved_until = models.DateTimeField(null=True)
    ready_at = models.DateTimeField(null=True)
    pickup_deadline_at = models.DateTimeField(null=True)
    borrowed_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    policy_due_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    next_reminder_at = models.DateTimeField(null=True)
    renewals = models.PositiveSmallIntegerField(default=0)
    partner = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    version = models.BigIntegerField(default=1)

    class Meta:
        db_table = "reservation"
        constraints = [
            UniqueConstraint(fields=["held_copy_id"], name="reservation_holds_copy_alone"),
            UniqueConstraint(fields=["reader", "open_marker", "book"], name="reservation_open_once"),
            CheckConstraint(
                name="reservation_holds_its_copy",
                condition=Q(state__in=sorted(COPY_STATES), held_copy_id__isnull=False)
                | (Q(held_copy_id__isnull=True) & (~Q(state__in=sorted(COPY_STATES)) | ~Q(partner=""))),
            ),
            CheckConstraint(
                name="reservation_open_marker_follows_state",
                condition=Q(state__in=sorted(OPEN_STATES), open_marker=1, open_marker__isnull=False)
                | (~Q(state__in=sorted(OPEN_STATES)) & Q(open_marker__isnull=True)),
            ),
        ]
        indexes = [
            models.Index(fields=["book", "state", "queue_no"], name="reservation_queue"),
            models.Index(fields=["state", "pickup_deadline_at"], name="reservation_pickup"),
            models.Index(fields=["state", "due_at"], name="reservation_due"),
            models.Index(fields=["open_marker", "reserved_until"], name="reservation_until"),
            models.Index(fields=["pickup_branch", "state"], name="reservation_at_branch"),
            models.Index(fields=["next_reminder_at"], name="reservation_reminder"),
        ]

    def __str__(self) -> str:
        """By its number, as people and the API name it."""
        return f"Reservation {self.pk}"


class PartnerHold(models.Model):
    """What we know of a reservation's hold at a partner, beside what the reservation itself says.

    `asked_at` is set before the partner is first asked, `answered_at` when its word on the request is recorded;
    between the two a hold may exist there that we do not know. `ref` is the partners service's name for it.
    `cancelled_at` is when it was taken back there, or found ended; `poll_at` when to look at it next, empty when there
    is nothing to look for. `asking_until` is set while a worker talks with the partner about it, and ends the right
    of one that never came back. `missing_since` is when the partners service began to know no such partner,
    `unlisted_since` when the partner began not to list the hold, or no longer as ready.
    """

    reservation = models.OneToOneField(Reservation, on_delete=models.CASCADE, primary_key=True, related_name="hold")
    isbn = models.CharField(max_length=13)
    ref = models.CharField(max_length=500, blank=True)
    asked_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    poll_at = models.DateTimeField(null=True)
    asking_until = models.DateTimeField(null=True)
    missing_since = models.DateTimeField(null=True)
    unlisted_since = models.DateTimeField(null=True)

    class Meta:
        db_table = "partner_hold"
        indexes = [models.Index(fields=["poll_at"], name="partner_hold_poll")]


class ExternalReference(models.Model):
    """A machine client's own name of a reservation that it made: telling it twice makes no second one."""

    client_id = models.CharField(max_length=40)
    name = models.CharField(max_length=200)
    reservation = models.ForeignKey(Reservation, on_delete=models.CASCADE, related_name="+")

    class Meta:
        db_table = "external_reference"
        constraints = [UniqueConstraint(fields=["client_id", "name"], name="external_reference_once")]
