from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.contract.library.world import World


@pytest.fixture
def world(db: None) -> "World":
    """A small library with someone in every role."""
    from tests.contract.library.world import build_world  # noqa: PLC0415 -- pytest loads this before Django is set up

    return build_world()
