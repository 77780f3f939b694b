"""A commit is told though its process dies with it; several of every program tell it no more often than one."""

import signal
from pathlib import Path
from typing import Any

from bookwell.kit.adapters.celery.app import RUN_JOB, make_app
from tests.e2e.embedded import wait_until
from tests.messages.outcome import Outcome
from tests.messages.site import Site, add_programs, embedded_site, site_at_a_broker

EVENTS = 200
OVERDUE = 5


def test_commit__its_process_is_killed_at_once__is_told(tmp_path: Path) -> None:
    with embedded_site(tmp_path) as site:
        site.run("tests.messages.writing", str(site.ledger.file), "--die", expected=-signal.SIGKILL)

        site.start()
        site.settle(seconds=120)

        outcome = Outcome.of(site)
        assert len(outcome.mails) == 1
        outcome.assert_all_is_told_once()


def test_three_relays_and_two_schedulers__nothing_is_killed__tell_all_once_and_in_order(
    tmp_path: Path, rabbitmq_url: str
) -> None:
    with site_at_a_broker(tmp_path, rabbitmq_url, database="mariadb") as site:
        add_programs(site, relays=3, workers=2, schedulers=2)
        site.start()
        site.run("tests.messages.writing", str(site.ledger.file), f"--events={EVENTS}", f"--overdue={OVERDUE}")
        _call_at_once("library.remind", site)
        wait_until(lambda: len(_reminders(site)) >= OVERDUE)

        site.settle(seconds=120)

        outcome = Outcome.of(site)
        assert len(outcome.rows) >= EVENTS
        assert len(_reminders(site)) == OVERDUE
        assert outcome.duplicates == 0
        outcome.assert_only_the_committed_is_told()
        outcome.assert_all_is_told_once()
        outcome.assert_in_order()


def _call_at_once(job: str, site: Site) -> None:
    """As several schedulers do whose clocks agree."""
    app = make_app(site.environment["BOOKWELL_BROKER_URL"])
    for _ in range(4):
        app.send_task(RUN_JOB, args=(job,), queue="library")


def _reminders(site: Site) -> list[dict[str, Any]]:
    return [row for row in site.rows() if row["type"] == "reservation.overdue"]
