"""Titles. Copies, counters and queues belong to circulation."""

from django.db import models


class Book(models.Model):
    """A title of the catalogue; `popularity` orders search results of equal match."""

    isbn = models.CharField(max_length=13, null=True, unique=True, help_text="ISBN-13")
    control_number = models.CharField(max_length=64, null=True, unique=True, help_text="Identifier at its source")
    title = models.CharField(max_length=500)
    title_key = models.CharField(max_length=120, help_text="The folded title's beginning, for ordering")
    authors = models.JSONField(default=list)
    publisher = models.CharField(max_length=200, blank=True)
    year = models.SmallIntegerField(null=True)
    language = models.CharField(max_length=8, blank=True, help_text="ISO 639 code")
    subjects = models.JSONField(default=list)
    description = models.TextField(blank=True)
    popularity = models.IntegerField(default=0)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(
        null=True, help_text="Deleted from the catalogue; the row stays for its history"
    )
    version = models.BigIntegerField(default=1)

    class Meta:
        db_table = "book"
        indexes = [
            models.Index(fields=["title_key", "id"], name="book_by_title"),
            models.Index(fields=["year", "id"], name="book_by_year"),
            models.Index(fields=["language", "id"], name="book_by_language"),
            models.Index(fields=["popularity", "id"], name="book_by_popularity"),
        ]

    def __str__(self) -> str:
        return self.title
