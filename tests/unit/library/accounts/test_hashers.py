"""How passwords are hashed in use; other tests hash at a lower cost."""

from bookwell.library.accounts.hashers import Argon2idHasher


def test_encode__in_use__costs_what_owasp_asks() -> None:
    assert Argon2idHasher().encode("a password", "some-salt").startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
