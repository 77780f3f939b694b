"""Public holidays by country, from the `holidays` library; they are computed, nothing is fetched."""

import datetime as dt
from collections.abc import Callable
from functools import cache

__all__ = ["holidays_of", "is_known_country"]


@cache
def _dates(country: str, year: int) -> frozenset[dt.date]:
    # Loaded when first needed: it costs more than the rest of the service's start.
    import holidays  # noqa: PLC0415

    return frozenset(holidays.country_holidays(country, years=year))


def is_known_country(country: str) -> bool:
    """Whether the ISO 3166-1 code is one whose holidays are known; none at all also counts."""
    if not country:
        return True
    import holidays  # noqa: PLC0415

    return country in holidays.list_supported_countries()


@cache
def holidays_of(country: str) -> Callable[[dt.date], bool]:
    """A function that tells whether a date is a public holiday; without a country none is."""
    if not country:
        return lambda _day: False
    return lambda day: day in _dates(country, day.year)
