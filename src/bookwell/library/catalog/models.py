"""Titles. Copies, counters and queues belong to circulation.

The words that books are found by stand in a table of their own, `book_search`, which only `search_index` knows: it is
a different kind of table in each database.
"""

from django.db import models

YEAR_UNKNOWN = -32768
"""The `year_key` of a book without a year: before every other."""


class Book(models.Model):
    """A title of the catalogue; `popularity` orders search results of equal match."""

    isbn = models.CharField(max_length=13, null=True, help_text="ISBN-13")
    control_number = models.CharField(max_length=100, null=True, help_text="Identifier at its source")
    title = models.CharField(max_length=500)
    title_key = models.CharField(max_length=120, help_text="The folded title's beginning, for ordering")
    authors = models.JSONField(default=list)
    publisher = models.CharField(max_length=200, blank=True)
    year = models.SmallIntegerField(null=True)
    year_key = models.SmallIntegerField(default=YEAR_UNKNOWN, help_text="The year, for ordering: never NULL")
    language = models.CharField(max_length=8, blank=True, help_text="ISO 639 code")
    subjects = models.JSONField(default=list)
    description = models.TextField(blank=True)
    popularity = models.IntegerField(default=0)
    source_digest = models.CharField(max_length=32, blank=True, help_text="Of the record it was last imported from")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(
        null=True, help_text="Deleted from the catalogue; the row stays for its history"
    )
    version = models.BigIntegerField(default=1)

    class Meta:
        db_table = "book"
        constraints = [
            models.UniqueConstraint(fields=["isbn"], name="book_isbn_once"),
            models.UniqueConstraint(fields=["control_number"], name="book_control_number_once"),
        ]
        indexes = [
            models.Index(fields=["title_key", "id"], name="book_by_title"),
            models.Index(fields=["year_key", "id"], name="book_by_year"),
            models.Index(fields=["popularity", "id"], name="book_by_popularity"),
            models.Index(fields=["language", "id"], name="book_by_language"),
            models.Index(fields=["language", "title_key", "id"], name="book_by_language_title"),
            models.Index(fields=["language", "year_key", "id"], name="book_by_language_year"),
            models.Index(fields=["language", "popularity", "id"], name="book_by_language_popularity"),
        ]

    def __str__(self) -> str:
        return self.title
