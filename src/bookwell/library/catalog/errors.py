"""What the catalogue refuses, each with its stable code."""

from bookwell.kit.errors import Conflict, Invalid, NotFound

__all__ = ["BookNotFound", "ControlNumberTaken", "IsbnInvalid", "IsbnTaken"]


class BookNotFound(NotFound):
    """No such book, or one that was withdrawn."""

    code = "book.not_found"
    title = "No such book"


class IsbnInvalid(Invalid):
    """Wrong length or check digit."""

    code = "book.isbn_invalid"
    title = "This is not a valid ISBN"


class IsbnTaken(Conflict):
    """Another book of the catalogue has this ISBN."""

    code = "book.isbn_taken"
    title = "Another book has this ISBN"


class ControlNumberTaken(Conflict):
    """Another book came from the same record of the same source."""

    code = "book.control_number_taken"
    title = "Another book has this control number"
