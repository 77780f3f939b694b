"""How passwords are hashed."""

from django.contrib.auth.hashers import Argon2PasswordHasher

__all__ = ["Argon2idHasher"]


class Argon2idHasher(Argon2PasswordHasher):
    """Argon2id with OWASP's parameters for servers: 19 MiB, two passes, one lane.

    Django's 100 MiB in eight lanes would let a few dozen parallel log-ins use up the memory of a small machine.
    """

    time_cost = 2
    memory_cost = 19_456
    parallelism = 1
