"""The database's last line of defence, as domain errors."""

from bookwell.kit.adapters.django.constraints import map_constraint
from bookwell.library.circulation.errors import (
    BarcodeTaken,
    CopyHeld,
    ExternalReferenceTaken,
    PolicyExists,
    ReservationExists,
)

__all__ = ["map_constraints"]


def map_constraints() -> None:
    """Register circulation's constraints; called once when the app is ready."""
    map_constraint("reservation_holds_copy_alone", CopyHeld, sqlite_columns="reservation.held_copy_id")
    map_constraint(
        "reservation_open_once",
        ReservationExists,
        sqlite_columns="reservation.reader_id, reservation.open_marker, reservation.book_id",
    )
    map_constraint("copy_barcode_once", BarcodeTaken, sqlite_columns="copy.barcode")
    map_constraint("policy_once", PolicyExists, sqlite_columns="policy.category_id, policy.branch_key")
    map_constraint(
        "external_reference_once",
        ExternalReferenceTaken,
        sqlite_columns="external_reference.client_id, external_reference.name",
    )
