"""The library service as the benches run it: in production mode, on MariaDB, with everything on.

Only the rate limit is out of the way (all requests come from one address) and tokens live as long as the run.
"""

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

from bench.library import FIRST_PLACER, PLACERS
from bookwell.kit.key_ring import KeyRing

__all__ = ["APPLICATION", "environment", "make_tokens", "migrate", "signing_keys"]

APPLICATION = "bookwell.library.config.wsgi:application"
_ROOT = Path(__file__).resolve().parent.parent


def environment(database_url: str, data_dir: Path) -> dict[str, str]:
    """The variables of a service on `database_url` with its keys and metrics in `data_dir`."""
    metrics = data_dir / "metrics"
    metrics.mkdir(parents=True, exist_ok=True)
    return {
        "BOOKWELL_MODE": "production",
        "BOOKWELL_DATA_DIR": str(data_dir),
        "BOOKWELL_LIBRARY_DATABASE_URL": database_url,
        "BOOKWELL_LIBRARY_URL": "http://127.0.0.1:8013",
        "BOOKWELL_SECRET_KEY": "a secret of the bench, for one run only",
        "BOOKWELL_ACCESS_TOKEN_SECONDS": "36000",
        "BOOKWELL_RATE_LIMIT_PER_MINUTE": "1000000000",
        "BOOKWELL_SIGNING_KEYS": signing_keys(data_dir / "keys"),
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        "DJANGO_SETTINGS_MODULE": "bookwell.library.config.settings",
        "PYTHONPATH": str(_ROOT),
    }


def signing_keys(folder: Path) -> str:
    """One key for all processes and all starts of a run."""
    KeyRing(folder, retain=dt.timedelta(0)).signing_key()
    return "".join(file.read_text() for file in sorted(folder.glob("*.pem")))


def migrate(env: dict[str, str]) -> None:
    """Make the tables."""
    _python(env, "-m", "django", "migrate", "--verbosity", "0")


def make_tokens(env: dict[str, str], file: Path) -> None:
    """Log the placing readers in and write their access tokens: a line of "id token" each."""
    _python(env, "-m", "bench.tokens", str(file), str(FIRST_PLACER), str(PLACERS))


def _python(env: dict[str, str], *arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], env=os.environ | env, cwd=_ROOT, check=True)
