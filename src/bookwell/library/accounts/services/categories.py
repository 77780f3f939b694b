"""Reader categories: save, delete. One without a policy has the circulation's general terms."""

from django.db.models import ProtectedError

from bookwell.library.accounts.errors import CategoryInUse
from bookwell.library.accounts.models import ReaderCategory
from bookwell.library.audit.services import Change, record_in_tx

__all__ = ["delete_category_in_tx", "save_category_in_tx"]

_NO_NUMBER = 0
"""A category has a code instead, which its audit entries carry."""


def save_category_in_tx(*, code: str, name: str, actor_id: int) -> None:
    """Add a category, or rename the one of that code."""
    _, is_new = ReaderCategory.objects.update_or_create(code=code, defaults={"name": name})
    _record("category.created" if is_new else "category.changed", code, actor_id)


def delete_category_in_tx(*, code: str, actor_id: int) -> None:
    """Take a category away. Deleting it twice is no error.

    Raises:
        CategoryInUse: while readers or policies are of it.
    """
    try:
        deleted, _ = ReaderCategory.objects.filter(pk=code).delete()
    except ProtectedError as error:
        raise CategoryInUse from error
    if deleted:
        _record("category.deleted", code, actor_id)


def _record(action: str, code: str, actor_id: int) -> None:
    record_in_tx([Change(action, "category", _NO_NUMBER, {"code": code})], actor_id=actor_id)
