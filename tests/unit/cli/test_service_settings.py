"""How long a server may take to stop."""

import pytest

from bookwell.cli.service_settings import seconds_to_stop


@pytest.mark.parametrize(
    ("service", "variable", "milliseconds"),
    [
        ("partners", "BOOKWELL_PARTNERS_HOLD_MS", 50_000),
        ("partners", "BOOKWELL_PARTNERS_BUDGET_MS", 60_000),
        ("partners", "BOOKWELL_LIBRARY_TIMEOUT_MS", 60_000),
        ("library", "BOOKWELL_PARTNERS_BUDGET_MS", 60_000),
    ],
)
def test_seconds_to_stop__requests_may_take_longer__so_does_the_stop(
    service: str, variable: str, milliseconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(milliseconds))

    assert milliseconds / 1000 + 2 < seconds_to_stop(service) < milliseconds / 1000 + 30


@pytest.mark.parametrize("service", ["library", "partners", "tables", "notifier"])
def test_seconds_to_stop__told_how_long__are_those_and_the_draining_before(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOKWELL_STOP_SECONDS", "3")
    monkeypatch.setenv("BOOKWELL_DRAIN_SECONDS", "4")

    assert seconds_to_stop(service) == 7
