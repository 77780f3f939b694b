import httpx2
import pytest

from bookwell.partners.adapters.koha.options import KohaOptions
from bookwell.partners.adapters.koha.staff import KohaStaff
from bookwell.partners.adapters.protocol import Failure, PartnerFailed
from bookwell.partners.adapters.wire import Wire

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_items__pages_that_hold_more_than_they_should__end_where_the_whole_list_would() -> None:
    pages: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        pages.append(request)
        rows = b"[%s{}]" % (b"{}," * 1499)
        stream = httpx2.ByteStream(rows)
        return httpx2.Response(200, headers={"Content-Type": "application/json"}, stream=stream)

    options = KohaOptions.model_validate({"url": "https://koha.test", "username": "a", "password": "b"})
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        with pytest.raises(PartnerFailed) as failed:
            await KohaStaff(Wire(client, options), options).items(1)

    assert failed.value.code is Failure.TOO_LARGE
    assert len(pages) == 2
