"""Time zones by the names of IANA's database."""

from zoneinfo import ZoneInfo

__all__ = ["is_iana_zone"]

_BESIDES = ("localtime", "Factory", "posixrules", "posix/", "right/")


def is_iana_zone(name: str) -> bool:
    """Whether it is an IANA zone: what hosts keep beside them means another time on each, or none at all."""
    if name.startswith(_BESIDES):
        return False
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
