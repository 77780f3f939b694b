"""Partner libraries by name, and what each last said of a book."""

from django.db import models
from django.db.models import UniqueConstraint

__all__ = ["LONGEST_NAME", "Partner", "PartnerAnswer"]

LONGEST_NAME = 64


class Partner(models.Model):
    """A library outside of the network, as the partners service listed it last; kept for when that is down."""

    name = models.CharField(max_length=LONGEST_NAME)
    takes_holds = models.BooleanField()

    class Meta:
        db_table = "partner"
        constraints = [UniqueConstraint(fields=["name"], name="partner_name_once")]

    def __str__(self) -> str:
        return self.name


class PartnerAnswer(models.Model):
    """The last thing that a partner said of a book: `content` is a `PartnerAvailability`.

    `checked_at` is when somebody last asked, whether or not there was an answer.
    """

    book = models.ForeignKey("catalog.Book", on_delete=models.CASCADE, related_name="+", db_index=False)
    partner = models.CharField(max_length=LONGEST_NAME)
    content = models.JSONField()
    checked_at = models.DateTimeField()

    class Meta:
        db_table = "partner_answer"
        constraints = [UniqueConstraint(fields=["book", "partner"], name="partner_answer_once")]
