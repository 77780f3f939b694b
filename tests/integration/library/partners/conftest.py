from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from bookwell.kit import clock

if TYPE_CHECKING:
    from tests.fake_gateway import FakeGateway


@pytest.fixture
def gateway(db: None) -> Iterator["FakeGateway"]:
    """A partners service with one partner that takes holds, and the library knows of it."""
    from bookwell.library.circulation.partner_tasks import refresh_due  # noqa: PLC0415 -- Django is not set up yet
    from tests.fake_gateway import fake_gateway  # noqa: PLC0415 -- the same

    with fake_gateway() as gateway:
        refresh_due(now=clock.now())
        gateway.seen.clear()
        yield gateway
