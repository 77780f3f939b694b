"""Finds adapters by the name of their folder."""

import pkgutil
from importlib import import_module

from bookwell.partners.adapters.protocol import AdapterKind

__all__ = ["adapter_kind", "known_protocols"]

_PACKAGE = __name__.rpartition(".")[0]


def known_protocols() -> list[str]:
    """The names that `protocol` may have in partners.toml."""
    folders = import_module(_PACKAGE).__path__
    return sorted(module.name for module in pkgutil.iter_modules(folders) if module.ispkg)


def adapter_kind(protocol: str) -> AdapterKind:
    """The adapter of one protocol.

    Raises:
        LookupError: if there is none; its message names those that there are.
    """
    known = known_protocols()
    if protocol not in known:
        raise LookupError(f"no protocol {protocol!r}; there is: {', '.join(known)}")
    kind: AdapterKind = import_module(f"{_PACKAGE}.{protocol}").KIND
    return kind
