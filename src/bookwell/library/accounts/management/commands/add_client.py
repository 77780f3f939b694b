"""`bookwell clients add`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.errors import DomainError
from bookwell.kit.machine_clients import NewClient
from bookwell.library.accounts import services
from bookwell.library.accounts.passwords import hash_password
from bookwell.library.accounts.rules import Scope

__all__ = ["Command"]


class Command(BaseCommand):
    """Let a program in."""

    help = f"Add a machine client and print its id and secret, once. Scopes: {', '.join(Scope)}."

    def add_arguments(self, parser: CommandParser) -> None:
        """Django's hook."""
        parser.add_argument("name")
        parser.add_argument("--scope", action="append", default=[], dest="scopes", metavar="SCOPE")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Django's hook."""
        new = NewClient.made()
        wanted = {"name": options["name"], "scopes": options["scopes"]}
        wanted |= {"client_id": new.client_id, "secret_hash": hash_password(new.secret)}
        try:
            run_in_transaction(lambda: services.add_client(now=clock.now(), **wanted))
        except DomainError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(str(new))
        self.stderr.write("The secret is not shown again.")
