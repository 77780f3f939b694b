"""`bookwell create-admin`."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.asking import read_password
from bookwell.kit.errors import DomainError
from bookwell.library.accounts import services
from bookwell.library.accounts.passwords import check_password_rules, hash_password
from bookwell.library.accounts.rules import Role
from bookwell.library.accounts.services import UserFields

__all__ = ["Command"]

_PASSWORD_VARIABLE = "BOOKWELL_ADMIN_PASSWORD"  # noqa: S105 -- a name


class Command(BaseCommand):
    """Create an administrator."""

    help = f"Create an administrator. The password is asked for, read from a pipe, or taken from {_PASSWORD_VARIABLE}."

    def add_arguments(self, parser: CommandParser) -> None:
        """Django's hook."""
        parser.add_argument("username")
        parser.add_argument("email")

    def handle(self, *_args: Any, username: str, email: str, **_options: Any) -> None:
        """Django's hook."""
        try:
            validate_email(email)
            self._create(username, email.strip().lower(), read_password(_PASSWORD_VARIABLE))
        except DomainError as refusal:
            raise CommandError("; ".join([refusal.detail, *(error.detail for error in refusal.errors)])) from refusal
        except ValidationError as error:
            raise CommandError("This is no e-mail address.") from error
        self.stdout.write(f"Created the administrator {username}.")

    def _create(self, username: str, email: str, password: str) -> None:
        check_password_rules(password, username=username, email=email)
        fields: UserFields = {
            "username": username,
            "email": email,
            "password": hash_password(password),
            "role": Role.ADMIN,
            "category_id": "staff",
        }
        # Whoever runs commands here needs no mail to prove whose address this is.
        run_in_transaction(lambda: services.create_user_in_tx(fields=fields, now=clock.now(), is_email_confirmed=True))
