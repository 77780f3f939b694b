"""What commands ask a person for."""

import os
import sys
from getpass import getpass

__all__ = ["read_password"]


def read_password(variable: str) -> str:
    """A password from the environment, from a pipe, or from who sits at the terminal, who does not see it."""
    given = os.environ.get(variable)
    if given:
        return given
    return getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
