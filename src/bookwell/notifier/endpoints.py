"""webhooks.toml: the programs that get webhooks. A wrong entry stops the start and is named.

    [endpoints.backoffice]
    url = "https://backoffice.example/hooks"
    secret_env = "BACKOFFICE_SECRET"    # names a variable; or secret_file, a file beside this one
    private = false                     # true lets it be at a private address
    insecure = false                    # true allows http beyond this machine

The variable, or the file, holds a secret (`whsec_…`), or two of them, the new one first, while one replaces the other.
Rows and logs know an endpoint by its name alone.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from bookwell.kit.webhooks import WebhookSecret

__all__ = ["Endpoint", "EndpointInvalid", "is_public", "parse_endpoints"]

_LONGEST_NAME = 64
_PORTS = {"http": 80, "https": 443}
_TRANSLATED = (IPv6Network("::/96"), IPv6Network("::ffff:0:0:0/96"))


class EndpointInvalid(ValueError):
    """An entry is wrong; names it and repeats no secret."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one program listens, and what signs what it gets."""

    name: str
    url: SplitResult
    secrets: tuple[WebhookSecret, ...]
    is_private_allowed: bool

    @property
    def port(self) -> int:
        """The URL's, or its scheme's."""
        return self.url.port or _PORTS[self.url.scheme]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    url: str
    secret_env: str = ""
    secret_file: str = ""
    private: bool = False
    insecure: bool = False


def parse_endpoints(text: str, *, environ: Mapping[str, str], folder: Path) -> Mapping[str, Endpoint]:
    """The endpoints of a file's text, by name; `folder` is where their secrets' files lie.

    Raises:
        EndpointInvalid
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise EndpointInvalid(f"is no TOML: {error}") from None
    entries = document.pop("endpoints", {})
    if document or not isinstance(entries, dict):
        raise EndpointInvalid("holds something else than [endpoints.NAME]")
    return {name: _endpoint_of(name, entry, environ, folder) for name, entry in entries.items()}


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet; those inside of others are looked at, too.

    IPv6 addresses of sites, and such as stand for IPv4 ones where a network translates them, are none: what they lead
    to is the network's own affair.
    """
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address) and (parsed.is_site_local or any(parsed in one for one in _TRANSLATED)):
        return False
    inner = _inside(parsed)
    if inner is not None:
        return is_public(str(inner))
    return parsed.is_global and not parsed.is_multicast


def _inside(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to: mapped, 6to4, NAT64."""
    if isinstance(address, IPv4Address):
        return None
    if address.packed.startswith(b"\x00\x64\xff\x9b"):
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour


def _endpoint_of(name: str, entry: object, environ: Mapping[str, str], folder: Path) -> Endpoint:
    try:
        if len(name) > _LONGEST_NAME or not name.isprintable() or not name.strip():
            raise ValueError("the name is none")  # noqa: TRY301 -- told with the entry's name, like the others
        checked = _Entry.model_validate(entry)
        url = _url_of(checked)
        secrets = tuple(WebhookSecret.parse(each) for each in _secrets_of(checked, environ, folder).split())
        if not secrets:
            raise ValueError("its secret is empty")  # noqa: TRY301 -- the same
    except ValidationError as error:
        fields = ", ".join(str(item["loc"][0]) if item["loc"] else "entry" for item in error.errors())
        raise EndpointInvalid(f"endpoint {name!r}: wrong: {fields}") from None
    except ValueError as error:
        raise EndpointInvalid(f"endpoint {name!r}: {error}") from None
    return Endpoint(name, url, secrets, checked.private)


def _url_of(entry: _Entry) -> SplitResult:
    url = urlsplit(entry.url)
    if url.scheme not in _PORTS or not url.hostname or not (entry.url.isascii() and entry.url.isprintable()):
        raise ValueError("its url is no http or https URL")
    if url.username is not None or url.fragment or " " in entry.url or url.port == 0:
        raise ValueError("its url holds what no webhook needs: a user, a fragment, a space, port 0")
    if url.scheme == "http" and not entry.insecure and not _is_this_machine(url.hostname):
        raise ValueError("http is for this machine; say insecure = true to use it elsewhere")
    return url


def _secrets_of(entry: _Entry, environ: Mapping[str, str], folder: Path) -> str:
    if bool(entry.secret_env) == bool(entry.secret_file):
        raise ValueError("it needs one of secret_env and secret_file")
    if entry.secret_env:
        return environ.get(entry.secret_env, "")
    try:
        return (folder / entry.secret_file).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"its secret_file {entry.secret_file} cannot be read") from None


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
