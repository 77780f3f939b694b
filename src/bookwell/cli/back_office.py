"""What a demo gives its back office: an endpoint for events, and secrets by which the two sides know each other.

Everything lies in the data folder, readable for its owner alone. Secrets stay as they are from start to start; a
`webhooks.toml` that somebody has written is left alone.
"""

import os
import secrets
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

from bookwell.kit.private_files import write_private

__all__ = ["ENDPOINT", "prepare_back_office"]

ENDPOINT = "backoffice"
"""The endpoint's name in webhooks.toml."""

_MARK = "# Written by `bookwell up --demo`, and again at every start; without this line it is left alone."
_SECRET_BYTES = 32
_ORDERS = "backoffice-simulator.sqlite3"
_EVENTS, _DECISIONS = "backoffice-events.secret", "backoffice-decisions.secret"


def prepare_back_office(folder: Path, *, backoffice_url: str, tables_url: str) -> Mapping[str, str]:
    """Write what is missing, and say which environment the tables service, the notifier and the simulators get.

    `backoffice_url` is where the simulated back office is, as in `http://127.0.0.1:8030/backoffice`. Whoever has
    endpoints of their own has no simulated back office: then the environment is empty.
    """
    file = folder / "webhooks.toml"
    if os.environ.get("BOOKWELL_WEBHOOKS_FILE") or (file.exists() and not file.read_text().startswith(_MARK)):
        return {}
    for name in (_EVENTS, _DECISIONS):
        if not (folder / name).exists():
            write_private(folder / name, b"whsec_" + b64encode(secrets.token_bytes(_SECRET_BYTES)) + b"\n")
    write_private(file, _endpoints(backoffice_url).encode())
    return {
        "BOOKWELL_TABLES_BACKOFFICE": ENDPOINT,
        "BOOKWELL_TABLES_DECISION_SECRETS_FILE": str(folder / _DECISIONS),
        "BOOKWELL_BACKOFFICE_TABLES_URL": tables_url,
        "BOOKWELL_BACKOFFICE_FILE": str(folder / _ORDERS),
        "BOOKWELL_BACKOFFICE_WEBHOOK_SECRETS_FILE": str(folder / _EVENTS),
        "BOOKWELL_BACKOFFICE_DECISION_SECRET_FILE": str(folder / _DECISIONS),
    }


def _endpoints(url: str) -> str:
    entry = [f"[endpoints.{ENDPOINT}]", f'url = "{url}/hooks"', f'secret_file = "{_EVENTS}"']
    lines = [_MARK, *entry, "private = true", "insecure = true"]  # beside the services, wherever they run
    return "\n".join(lines) + "\n"
