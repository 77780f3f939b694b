"""How background processes are put together."""

import datetime as dt

from bookwell.cli.composition import BackgroundSettings, open_outboxes


def test_open_outboxes__with_a_patience_in_the_settings__have_it() -> None:
    settings = BackgroundSettings.model_validate(
        {"library_database_url": "sqlite://", "outbox_gap_seconds": 3, "outbox_lease_seconds": 4}
    )

    pace = open_outboxes(settings)["library"].pace

    assert (pace.first_gap, pace.lease) == (dt.timedelta(seconds=3), dt.timedelta(seconds=4))
