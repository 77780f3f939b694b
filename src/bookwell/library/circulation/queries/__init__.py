"""Reads of circulation."""

from bookwell.library.circulation.queries.book_view import get_reader_view_of_book
from bookwell.library.circulation.queries.desk import (
    get_copy,
    list_copies,
    list_hold_shelf,
    list_in_hand,
    list_overdue,
    list_pull_list,
)
from bookwell.library.circulation.queries.explain import explain
from bookwell.library.circulation.queries.policies import get_policy, list_policies
from bookwell.library.circulation.queries.readers import reader_summary
from bookwell.library.circulation.queries.reservations import ReservationFilter, get_view, list_views

__all__ = [
    "ReservationFilter",
    "explain",
    "get_copy",
    "get_policy",
    "get_reader_view_of_book",
    "get_view",
    "list_copies",
    "list_hold_shelf",
    "list_in_hand",
    "list_overdue",
    "list_policies",
    "list_pull_list",
    "list_views",
    "reader_summary",
]
