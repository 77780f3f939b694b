"""Everything between a commit and a mail is killed at random, and everything that was committed is told, once.

Nothing may depend on the broker: Redis, which keeps nothing here, is empty whenever it comes back.
"""

import os
import random
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.mail_sink import Rule
from tests.messages.chaos import Chaos
from tests.messages.outcome import Outcome
from tests.messages.site import Site, add_programs, add_writer, embedded_site, site_on_a_broker

IS_LONG = bool(os.environ.get("BOOKWELL_CHAOS"))
EVENTS = 2000 if IS_LONG else 60
KILLS = 40 if IS_LONG else 7
_KILL_PAUSE_SECONDS = 2.5 if IS_LONG else 1.0
_WRITER_PAUSE_SECONDS = 0.02 if IS_LONG else 0.1
_CUT = "*[0268]@example.org"
_MOODS = (
    Rule(_CUT, "drop_after_data", times=2 + EVENTS // 100),
    Rule("*3@example.org", "later", times=2 + EVENTS // 100),
    Rule("*5@example.org", "accept_slowly", seconds=0.5, times=5 + EVENTS // 20),
    Rule("*9@example.org", "never_answer", times=1 + EVENTS // 500),
)
"""What the mail server does besides."""
_SETTLE_SECONDS = 600 if IS_LONG else 180  # a mail that met five moods waits for two minutes


@pytest.fixture
def seed() -> str:
    """Chosen by the run's own seed; written down for whoever wants to see the same kills again."""
    chosen = str(random.randrange(2**32))  # noqa: S311 -- no secret
    sys.stdout.write(f"seed of the kills: {chosen}\n")
    return chosen


def _on_rabbitmq(folder: Path) -> AbstractContextManager[Site]:
    return site_on_a_broker(folder, broker="rabbitmq", database="postgresql")


def _on_redis(folder: Path) -> AbstractContextManager[Site]:
    return site_on_a_broker(folder, broker="redis", database="mariadb")


@pytest.fixture(params=[_on_rabbitmq, _on_redis, embedded_site], ids=["rabbitmq", "redis", "embedded"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    with request.param(tmp_path) as prepared:
        if prepared.broker is not None:
            add_programs(prepared)
        yield prepared


def test_chaos__everything_is_killed_at_random__every_event_is_told_once(site: Site, seed: str) -> None:
    chance = random.Random(seed)  # noqa: S311 -- no secret
    chaos = Chaos(site, chance, _KILL_PAUSE_SECONDS)
    site.sink.behave(*_MOODS)
    add_writer(site, events=EVENTS, pause=_WRITER_PAUSE_SECONDS, seed=seed)
    site.start()

    chaos.rage(at_least=KILLS)
    site.settle(seconds=_SETTLE_SECONDS)

    outcome = Outcome.of(site)
    sys.stdout.write(f"{len(outcome.rows)} events, {len(chaos.kills)} kills, {outcome.duplicates} sent again\n")
    assert len(outcome.rows) >= EVENTS
    outcome.assert_only_the_committed_is_told()
    outcome.assert_all_is_told_once(chaos.kills, cut=_CUT)
    assert outcome.duplicates, "nobody was hit in the window"
    outcome.assert_in_order()
