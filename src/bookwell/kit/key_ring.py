"""The keys that sign tokens: one signs, older ones stay published until what they signed has expired.

Keys are PEM files in one folder, named by the moment they were made, so that every process on the folder agrees which
is the newest. The folder is listed at every use (microseconds beside a signature's hundreds), so a rotation is seen at
once. Where the keys come from the configuration instead, the first of them signs and all are published.
"""

import datetime as dt
import fcntl
import os
import re
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from bookwell.kit import clock
from bookwell.kit.private_files import make_private_folder, write_private

__all__ = [
    "KeyRing",
    "SigningKey",
    "check_signing_keys",
    "load_or_create_secret",
    "parse_signing_keys",
    "rotate_keys",
]

_KEY_BITS = 2048
_FILE = re.compile(r"^(\d{13})-[0-9a-f]{8}\.pem$")
_PEM_BLOCK = re.compile(rb"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and its name: `kid` is the SHA-256 thumbprint of the public key (RFC 7638)."""

    kid: str
    private: RSAPrivateKey
    made_at: dt.datetime

    @property
    def public(self) -> RSAPublicKey:
        """What verifies this key's signatures."""
        return self.private.public_key()

    def jwk(self) -> dict[str, str]:
        """The public key as RFC 7517 wants it."""
        return _public_members(self.public) | {"kid": self.kid, "use": "sig", "alg": "RS256"}


class KeyRing:
    """The keys of one issuer, newest first; safe to use from many threads.

    `retain` is how long a key stays published after its successor was made: at least a token's life.
    """

    def __init__(self, folder: Path, *, configured: bytes = b"", retain: dt.timedelta) -> None:
        self._folder = folder
        self._retain = retain
        self._guard = threading.Lock()
        self._configured = parse_signing_keys(configured) if configured.strip() else []
        self._parsed: dict[str, SigningKey] = {}

    def signing_key(self) -> SigningKey:
        """The newest key, made now when there is none."""
        return self._current()[0]

    def find_public_key(self, kid: str) -> RSAPublicKey | None:
        """The published key of that name."""
        return next((key.public for key in self._current() if key.kid == kid), None)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The JSON Web Key Set of every published key."""
        return {"keys": [key.jwk() for key in self._current()]}

    def _current(self) -> list[SigningKey]:
        if self._configured:
            return self._configured
        with self._guard:
            files = _key_files(self._folder) or _create_first_key(self._folder)
            self._parsed = {file.name: self._parsed.get(file.name) or _read(file) for file in files}
            return _published(list(self._parsed.values()), retain=self._retain)


def rotate_keys(folder: Path) -> str:
    """Add a key that signs from now on; the older ones stay published until their tokens are dead. Its `kid`."""
    with _locked(folder):
        return _read(_write_new_key(folder)).kid


def parse_signing_keys(pem: bytes) -> list[SigningKey]:
    """The keys of a configuration, one a PEM block; the first signs.

    Raises:
        ValueError: if there is no block, or one is no RSA key that can be read without a passphrase.
    """
    blocks = _PEM_BLOCK.findall(pem)
    if not blocks:
        raise ValueError("no PEM block")
    try:
        return [_parse(block, dt.datetime.fromtimestamp(0, tz=dt.UTC)) for block in blocks]
    except (TypeError, UnsupportedAlgorithm) as error:  # a passphrase is missing; a curve is not known
        raise ValueError("not an RSA key without a passphrase") from error


def check_signing_keys(setting: str) -> None:
    """Refuse a configuration of keys that cannot be used; an empty one is none.

    Raises:
        ValueError
    """
    pem = setting.strip().encode()
    if pem:
        try:
            parse_signing_keys(pem)
        except ValueError as error:
            raise ValueError("is no list of RSA private keys in PEM, without a passphrase") from error


def load_or_create_secret(file: Path) -> str:
    """The secret in a file, made at random (256 bits) when there is none; readable by its owner alone."""
    with _locked(file.parent):
        if not file.exists():
            write_private(file, urlsafe_b64encode(os.urandom(32)))
        return file.read_text().strip()


def _create_first_key(folder: Path) -> list[Path]:
    with _locked(folder):
        if not _key_files(folder):
            _write_new_key(folder)
    return _key_files(folder)


def _key_files(folder: Path) -> list[Path]:
    """Newest first."""
    return sorted((file for file in folder.glob("*.pem") if _FILE.match(file.name)), reverse=True)


def _read(file: Path) -> SigningKey:
    return _parse(file.read_bytes(), _made_at(file))


def _made_at(file: Path) -> dt.datetime:
    return dt.datetime.fromtimestamp(int(file.name[:13]) / 1000, tz=dt.UTC)


def _published(keys: Sequence[SigningKey], *, retain: dt.timedelta) -> list[SigningKey]:
    oldest = clock.now() - retain
    return [key for index, key in enumerate(keys) if index == 0 or keys[index - 1].made_at > oldest]


def _write_new_key(folder: Path) -> Path:
    private = generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    newest = max((int(file.name[:13]) for file in _key_files(folder)), default=0)
    milliseconds = max(int(clock.now().timestamp() * 1000), newest + 1)
    file = folder / f"{milliseconds:013d}-{os.urandom(4).hex()}.pem"
    write_private(file, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time; the kernel frees the lock of one that dies."""
    make_private_folder(folder)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _parse(pem: bytes, made_at: dt.datetime) -> SigningKey:
    private = load_pem_private_key(pem, password=None)
    if not isinstance(private, RSAPrivateKey):
        raise ValueError("not an RSA key")  # noqa: TRY004 -- a wrong file, not a wrong call
    return SigningKey(_thumbprint(private.public_key()), private, made_at)


def _public_members(public: RSAPublicKey) -> dict[str, str]:
    numbers = public.public_numbers()
    return {"kty": "RSA", "n": _base64_integer(numbers.n), "e": _base64_integer(numbers.e)}


def _base64_integer(value: int) -> str:
    raw = value.to_bytes((value.bit_length() + 7) // 8)
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _thumbprint(public: RSAPublicKey) -> str:
    members = _public_members(public)
    canonical = f'{{"e":"{members["e"]}","kty":"RSA","n":"{members["n"]}"}}'
    return urlsafe_b64encode(sha256(canonical.encode()).digest()).rstrip(b"=").decode()
