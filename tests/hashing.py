"""Password hashes at a hundredth of their cost: many tests need one, and few are about it.

Programs that tests start hash as they do in use.
"""

from argon2 import PasswordHasher

from bookwell.library.accounts.hashers import Argon2idHasher

__all__ = ["CHEAP", "CheapHasher"]


class CheapHasher(Argon2idHasher):
    """The library's, of parameters that protect nobody."""

    time_cost = 1
    memory_cost = 64


CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
"""For tables."""
