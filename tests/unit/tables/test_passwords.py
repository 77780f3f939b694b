"""How passwords are hashed in use; other tests hash at a lower cost."""

from importlib.util import find_spec, module_from_spec

from bookwell.tables.accounts import passwords


def test_hash_password__in_use__costs_what_owasp_asks() -> None:
    spec = find_spec(passwords.__name__)
    assert spec is not None
    assert spec.loader is not None
    in_use = module_from_spec(spec)
    spec.loader.exec_module(in_use)

    assert in_use.hash_password("a password").startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.hash_password("a password").startswith("$argon2id$v=19$m=64,")
