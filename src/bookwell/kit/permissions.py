"""What a caller is refused for whose token is good."""

from bookwell.kit.errors import Forbidden

__all__ = ["RoleForbidden", "ScopeMissing"]


class RoleForbidden(Forbidden):
    """The caller's roles do not include this operation."""

    code = "auth.role_forbidden"
    title = "Your role does not allow this"


class ScopeMissing(Forbidden):
    """A machine client without the scope that the operation needs."""

    code = "auth.scope_missing"
    title = "Your client's scopes do not allow this"
