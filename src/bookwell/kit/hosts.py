"""By which names a service may be asked: no page that rebinds its own name to this machine gets an answer."""

from collections.abc import Callable, Sequence
from functools import lru_cache

__all__ = ["host_check"]

_REMEMBERED = 1000


def host_check(names: Sequence[str]) -> Callable[[str], bool]:
    """Whether a `Host` header names one of `names`, with or without a port.

    `*` admits every host, `.example.org` every name below it and itself. An IPv6 address stands in brackets.
    """
    exact = frozenset(name.lower() for name in names if not name.startswith("."))
    below = tuple(name.lower() for name in names if name.startswith("."))

    @lru_cache(maxsize=_REMEMBERED)
    def is_known(host: str) -> bool:
        if "*" in exact:
            return True
        name = _without_port(host.lower())
        return name in exact or f".{name}" in below or name.endswith(below)

    return is_known


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host
