"""A process that hangs ends itself and is started again: nothing is lost by that, and nothing told twice."""

from pathlib import Path

from bookwell.kit.watchdog import STATUS
from tests.e2e.embedded import wait_until
from tests.messages.outcome import Outcome
from tests.messages.site import IMPATIENT, Site, add_programs, site_at_a_broker
from tests.silent_line import line_to

_EVENTS = 40
_SILENCE = {"BOOKWELL_WATCHDOG_SECONDS": "4"}


def test_relay__its_database_never_answers__ends_itself_and_is_started_again(tmp_path: Path, rabbitmq_url: str) -> None:
    with (
        site_at_a_broker(tmp_path, rabbitmq_url, database="postgresql", settings={**IMPATIENT, **_SILENCE}) as site,
        line_to(site.environment["BOOKWELL_LIBRARY_DATABASE_URL"]) as line,
    ):
        add_programs(site, relays=0)
        _add_relay(site, line.url)
        said, log = site.parts["supervisor"].log, tmp_path / "supervised.log"
        site.start()
        _write(site, _EVENTS)
        wait_until(lambda: len(site.sink.mails()) >= _EVENTS // 2)

        line.fall_silent()
        _write(site, 2 * _EVENTS)
        wait_until(lambda: f"relay ended with status {STATUS}; starting it again" in said.read_text())
        site.settle(seconds=120)

        assert "process.hangs" in log.read_text()
        outcome = Outcome.of(site)
        assert len(outcome.rows) >= 2 * _EVENTS
        assert outcome.duplicates == 0
        outcome.assert_only_the_committed_is_told()
        outcome.assert_all_is_told_once()
        outcome.assert_in_order()


def _add_relay(site: Site, library_url: str) -> None:
    """It alone reaches the library's database by the line."""
    site.add("supervisor", "tests.messages.supervised", str(site.folder))
    beat = str(site.folder / "relay.heartbeat")
    own = {"BOOKWELL_LIBRARY_DATABASE_URL": library_url, "BOOKWELL_HEARTBEAT_FILE": beat}
    site.parts["supervisor"].environment = site.environment | own


def _write(site: Site, events: int) -> None:
    """So many in all."""
    site.run("tests.messages.writing", str(site.ledger.file), f"--events={events}")
