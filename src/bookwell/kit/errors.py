"""Domain errors: five categories, each error with a stable code.

    DomainError
    ├── NotFound      no such thing, or not yours
    ├── Conflict      a rule refuses in the present state
    ├── Forbidden     you may not
    ├── Invalid       the request itself is wrong
    └── Unavailable   not now; try again

Contexts subclass a category beside the rule that raises it. `kit.problems` turns them into answers.
"""

from collections.abc import Iterator
from typing import ClassVar

from bookwell.contracts.problems import FieldProblem

__all__ = ["Conflict", "DomainError", "Forbidden", "Invalid", "NotFound", "Unavailable", "all_error_types"]


class DomainError(Exception):
    """A refusal with a stable, dotted `code` and a constant `title`; `detail` helps a person."""

    code: ClassVar[str]
    title: ClassVar[str]
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str = "", *, errors: tuple[FieldProblem, ...] = ()) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.errors = errors


class NotFound(DomainError):
    """There is no such thing, or none that this caller may know of."""

    code = "not_found"
    title = "Not found"


class Conflict(DomainError):
    """A rule refuses the request in the present state."""

    code = "conflict"
    title = "Conflict"


class Forbidden(DomainError):
    """The caller is known and may not do this."""

    code = "forbidden"
    title = "Forbidden"


class Invalid(DomainError):
    """The request breaks its schema or a rule about its own content."""

    code = "invalid"
    title = "Invalid request"


class Unavailable(DomainError):
    """It cannot be done now; the same request may succeed later."""

    code = "unavailable"
    title = "Temporarily unavailable"
    retryable = True
    retry_after: ClassVar[int] = 1


def all_error_types(root: type[DomainError] = DomainError) -> Iterator[type[DomainError]]:
    """Every loaded subclass, for the catalogue of codes."""
    for kind in root.__subclasses__():
        yield kind
        yield from all_error_types(kind)
