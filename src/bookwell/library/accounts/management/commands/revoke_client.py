"""`bookwell clients revoke`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.errors import DomainError
from bookwell.library.accounts import services

__all__ = ["Command"]


class Command(BaseCommand):
    """Let a program in no more."""

    help = "Revoke a machine client, by name or id."

    def add_arguments(self, parser: CommandParser) -> None:
        """Django's hook."""
        parser.add_argument("name")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Django's hook."""
        try:
            run_in_transaction(lambda: services.revoke_client(name=options["name"], now=clock.now()))
        except DomainError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(f"{options['name']} is revoked.")
