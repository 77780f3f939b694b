"""Access tokens of the placing readers, by the service's own code: `python -m bench.tokens FILE FIRST_ID COUNT`."""

import sys
from pathlib import Path

import django

from bookwell.kit import clock

__all__ = ["main"]


def main(file: Path, first: int, count: int) -> None:
    """Open a session for each of the readers and write a line of "id token" for it."""
    django.setup()
    from bookwell.kit.adapters.django.transactions import run_in_transaction  # noqa: PLC0415 -- needs the set-up
    from bookwell.library.accounts.models import User  # noqa: PLC0415
    from bookwell.library.accounts.services import open_session  # noqa: PLC0415

    def log_in() -> list[str]:
        now = clock.now()
        readers = User.objects.filter(pk__range=(first, first + count - 1)).order_by("pk")
        pairs = [(reader.pk, open_session(user=reader, now=now)) for reader in readers]
        return [f"{number} {pair.access}\n" for number, pair in pairs if pair]

    file.write_text("".join(run_in_transaction(log_in)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
