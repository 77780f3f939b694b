"""With `BOOKWELL_REDIS_URL`, sessions and counters live in Redis. Needs settings of its own, hence a process."""

import os
import subprocess
import sys
from pathlib import Path

import redis

_PROGRAM = """
import django
django.setup()
from django.core.management import call_command
from django.test import Client
from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.accounts import services
from bookwell.library.accounts.passwords import hash_password
from bookwell.library.accounts.rules import Role
from django.contrib.sessions.models import Session

call_command("migrate", verbosity=0)
fields = {"username": "ruth", "email": "r@example.org", "password": hash_password("x"), "role": Role.ADMIN}
run_in_transaction(lambda: services.create_user_in_tx(fields=fields, now=clock.now()))
browser = Client(SERVER_NAME="localhost")
browser.post("/admin/login/", {"username": "ruth", "password": "wrong"})
browser.post("/admin/login/?next=/admin/", {"username": "ruth", "password": "x"})
assert browser.get("/admin/").status_code == 200
assert not Session.objects.exists()
print(browser.cookies["sessionid"].value)
"""


def test_sessions_and_failed_log_ins__with_redis__are_found_there(redis_url: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BOOKWELL_")} | {
        "BOOKWELL_REDIS_URL": redis_url,
        "BOOKWELL_DATA_DIR": str(tmp_path),
        "BOOKWELL_LOG_DATABASE_LEVEL": "OFF",  # what the program prints is read
        "DJANGO_SETTINGS_MODULE": "bookwell.library.config.settings",
    }

    done = subprocess.run(  # noqa: S603 -- our own program
        [sys.executable, "-c", _PROGRAM], env=environment, capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 0, done.stderr
    with redis.Redis.from_url(redis_url, decode_responses=True) as store:
        keys = set(store.scan_iter())
    session = done.stdout.split()[-1]
    assert any(session in key for key in keys)
    assert any("login-failure:account" in key for key in keys)
    assert not (tmp_path / "cache.sqlite3").exists()
