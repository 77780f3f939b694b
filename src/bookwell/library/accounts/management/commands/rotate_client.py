"""`bookwell clients rotate`."""

import datetime as dt
from argparse import ArgumentTypeError
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.errors import DomainError
from bookwell.kit.machine_clients import NewClient, new_secret
from bookwell.library.accounts import services
from bookwell.library.accounts.passwords import hash_password

__all__ = ["Command"]

_MOST_HOURS = 24 * 365


class Command(BaseCommand):
    """Give a program another secret."""

    help = "Give a machine client, by name or id, another secret and print it, once. The one before stays good a while."

    def add_arguments(self, parser: CommandParser) -> None:
        """Django's hook."""
        parser.add_argument("name")
        parser.add_argument(
            "--both-for", type=_hours, default=24, metavar="HOURS", help="For which the secret before it is good: 24."
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Django's hook."""
        secret, both_for = new_secret(), dt.timedelta(hours=options["both_for"])
        wanted = {"name": options["name"], "secret_hash": hash_password(secret), "both_for": both_for}
        try:
            client_id = run_in_transaction(lambda: services.rotate_secret(now=clock.now(), **wanted))
        except DomainError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(str(NewClient(client_id, secret)))
        self.stderr.write("The secret is not shown again.")


def _hours(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (hours := float(text)) <= _MOST_HOURS:
            return hours
    raise ArgumentTypeError(f"0 to {_MOST_HOURS} hours")
