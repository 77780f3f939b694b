"""`bookwell clients list`."""

from typing import Any

from django.core.management.base import BaseCommand

from bookwell.library.accounts.queries import list_clients

__all__ = ["Command"]


class Command(BaseCommand):
    """Who is let in."""

    help = "List machine clients: id, name, scopes, and since when they are revoked."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Django's hook."""
        for client in list_clients():
            revoked = f"revoked {client.revoked_at:%Y-%m-%d %H:%M} UTC" if client.revoked_at else ""
            self.stdout.write("  ".join(filter(None, (client.client_id, client.name, client.scopes, revoked))))
