"""The network's branches and the days on which they are closed."""

from django.db import models

LAST_POSITION = 32_767
"""As every database can count in the column."""


def _every_day() -> list[int]:
    return [1, 2, 3, 4, 5, 6, 7]


class Branch(models.Model):
    """A place where copies live and are picked up. `position` orders them; the first is every reader's default.

    `hours_version` counts the changes of when it is open; deadlines were looked at after the one that
    `deadlines_version` names. Where the two differ some may fall on a day that is closed now.
    """

    code = models.CharField(max_length=20)
    name = models.CharField(max_length=100)
    time_zone = models.CharField(max_length=64, default="UTC", help_text="IANA name")
    country = models.CharField(max_length=2, blank=True, help_text="ISO 3166-1 code; its public holidays are closed")
    open_weekdays = models.JSONField(default=_every_day, help_text="ISO weekdays, 1 is Monday")
    position = models.PositiveSmallIntegerField(default=0)
    hours_version = models.BigIntegerField(default=0, db_default=0, editable=False)
    deadlines_version = models.BigIntegerField(default=0, db_default=0, editable=False)

    class Meta:
        db_table = "branch"
        ordering = ["position", "id"]
        verbose_name_plural = "branches"
        constraints = [
            models.UniqueConstraint(fields=["code"], name="branch_code_once"),
            models.UniqueConstraint(fields=["name"], name="branch_name_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Closure(models.Model):
    """A date on which a branch is closed."""

    branch = models.ForeignKey(Branch, on_delete=models.CASCADE, related_name="closures")
    closed_on = models.DateField()
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "closure"
        ordering = ["closed_on", "id"]
        constraints = [models.UniqueConstraint(fields=["branch", "closed_on"], name="closure_once_a_day")]

    def __str__(self) -> str:
        """Where, and when."""
        return f"{self.branch}, {self.closed_on}"
