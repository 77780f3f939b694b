"""`bookwell keys rotate`."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bookwell.kit.key_ring import rotate_keys

__all__ = ["Command"]


class Command(BaseCommand):
    """Add a key."""

    help = "Sign with a new key from now on; the old one stays published until its tokens have expired."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Django's hook."""
        if settings.SIGNING_KEYS:
            raise CommandError("BOOKWELL_SIGNING_KEYS holds the keys: put a new one before the others there.")
        self.stdout.write(f"The new key is {rotate_keys(settings.KEYS_DIR)}")
