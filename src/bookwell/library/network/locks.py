"""Row locks of branches and closures."""

from bookwell.library.network.errors import BranchNotFound, ClosureNotFound
from bookwell.library.network.models import Branch, Closure

__all__ = ["lock_branch", "lock_closure"]


def lock_branch(branch_id: int) -> Branch:
    """The branch, locked until the transaction's end.

    Raises:
        BranchNotFound
    """
    branch = Branch.objects.select_for_update().filter(pk=branch_id).first()
    if branch is None:
        raise BranchNotFound
    return branch


def lock_closure(closure_id: int) -> Closure:
    """The closure, locked until the transaction's end.

    Raises:
        ClosureNotFound
    """
    closure = Closure.objects.select_for_update().filter(pk=closure_id).first()
    if closure is None:
        raise ClosureNotFound
    return closure
