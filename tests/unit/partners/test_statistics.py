import datetime as dt

from bookwell.partners.availability.statistics import CallStatistics

AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def test_statistics__no_call_yet__has_no_figures() -> None:
    statistics = CallStatistics()

    assert (statistics.error_rate, statistics.p95_seconds, statistics.last_success_at) == (None, None, None)


def test_statistics__some_calls_failed__says_how_many_and_how_long() -> None:
    statistics = CallStatistics()
    for number in range(100):
        statistics.record(number / 100, is_success=number % 4 != 0, at=AT + dt.timedelta(seconds=number))

    assert statistics.error_rate == 0.25
    assert statistics.p95_seconds == 0.94
    assert statistics.last_success_at == AT + dt.timedelta(seconds=99)


def test_statistics__long_ago__is_forgotten() -> None:
    statistics = CallStatistics()
    statistics.record(9, is_success=False, at=AT)
    for _ in range(200):
        statistics.record(0.1, is_success=True, at=AT)

    assert (statistics.calls, statistics.error_rate) == (200, 0)
