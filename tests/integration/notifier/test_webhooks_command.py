"""`bookwell webhooks …` on the notifier's database: dead letters are seen, and sent again."""

from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from bookwell.cli.webhooks import webhooks
from bookwell.contracts.messages import Envelope
from bookwell.kit import clock, ids
from bookwell.notifier.db import Database
from bookwell.notifier.deliveries.services.endpoints import disable_endpoint_in_tx
from bookwell.notifier.service import Notifier
from bookwell.notifier.settings import NotifierSettings
from tests.notifying import deliveries_of

Run = Callable[..., Result]


@pytest.fixture
def run(database: Database, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command on the database under test."""
    url = database.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("BOOKWELL_NOTIFIER_DATABASE_URL", url)
    return lambda *arguments: CliRunner().invoke(webhooks, arguments)


@pytest.fixture
def dead(database: Database) -> list[str]:
    """Ids of two dead letters: of `backoffice`, and of `other`, which nobody has configured."""
    notifier = Notifier(NotifierSettings(), database=database)
    messages = [_message("backoffice"), _message("other")]
    notifier.take_in(messages)
    notifier.deliver(messages)
    return [deliveries_of(database, message)[0].id for message in messages]


def _message(endpoint: str) -> Envelope:
    return Envelope(
        event_id=ids.new_id(),
        source="tables",
        queue="webhook",
        type="booking.requested",
        version=1,
        aggregate=f"booking:{endpoint}",
        aggregate_version=3,
        created_at=1_800_000_000_000,
        payload={"endpoint": endpoint, "data": {"name": "Ada"}},
    )


def _states(database: Database) -> dict[str, str]:
    return {row.address: row.state for row in deliveries_of(database)}


def test_list__dead_letters__are_named_without_what_they_say(run: Run, dead: list[str]) -> None:
    everything, one = run("list"), run("list", "other")

    assert (everything.exit_code, one.exit_code) == (0, 0)
    assert all(delivery in everything.stdout for delivery in dead)
    assert "booking:backoffice v3" in everything.stdout
    assert "no endpoint of this name is configured" in everything.stdout
    assert "Ada" not in everything.stdout
    assert (dead[0] in one.stdout, dead[1] in one.stdout) == (False, True)


def test_list__nothing_dead__says_so(run: Run) -> None:
    assert "Nothing" in run("list").stdout


def test_replay__an_endpoint__queues_its_dead_letters_alone(database: Database, run: Run, dead: list[str]) -> None:
    result = run("replay", "backoffice")

    assert (result.exit_code, result.stdout) == (0, "1 queued again\n")
    assert _states(database) == {"backoffice": "queued", "other": "failed"}


def test_replay__one_delivery__queues_it(database: Database, run: Run, dead: list[str]) -> None:
    result = run("replay", "--delivery", dead[1])

    assert result.stdout == "1 queued again\n"
    assert _states(database) == {"backoffice": "failed", "other": "queued"}


def test_replay__an_endpoint_that_is_gone__is_refused_until_it_is_enabled(
    database: Database, run: Run, dead: list[str]
) -> None:
    database.write(lambda tx: disable_endpoint_in_tx(tx, name="backoffice", now=clock.now()))

    refused, listed, enabled = run("replay", "backoffice"), run("list"), run("enable", "backoffice")

    assert (refused.exit_code, "Enable the endpoint backoffice first" in refused.stderr) == (1, True)
    assert f"{clock.now():%Y-%m-%d}" in listed.stdout
    assert (enabled.exit_code, "1 queued again" in enabled.stdout) == (0, True)
    assert _states(database) == {"backoffice": "queued", "other": "failed"}


@pytest.mark.parametrize("arguments", [(), ("backoffice", "--delivery", "x")])
def test_replay__neither_or_both__is_a_usage_error(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("replay", *arguments).exit_code == 2


def test_replay__an_unknown_delivery__is_refused(run: Run) -> None:
    result = run("replay", "--delivery", ids.new_id())

    assert (result.exit_code, result.stderr) == (1, "No such delivery\n")
