"""The simulators on a port of their own, in the test's event loop."""

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from bookwell.simulators.app import Simulators
from bookwell.simulators.server import Server

_TLS = ssl.create_default_context()  # making one takes longer than most of these tests


@dataclass(frozen=True, slots=True)
class Site:
    """The simulators, a client to call them with, and what their control does."""

    url: str
    client: httpx2.AsyncClient

    async def feel(self, library: str, **mood: Any) -> None:
        answer = await self.client.put(f"{self.url}/control/{library}", json=mood)
        assert answer.status_code == 200, answer.text

    async def stock(self, library: str, isbn: str, **shelf: Any) -> None:
        answer = await self.client.put(f"{self.url}/control/{library}/stock/{isbn}", json=shelf)
        assert answer.status_code == 200, answer.text

    async def holds(self, library: str) -> list[dict[str, Any]]:
        holds: list[dict[str, Any]] = (await self.client.get(f"{self.url}/control/{library}/holds")).json()["holds"]
        return holds

    async def open_holds(self, library: str) -> int:
        return sum(hold["status"] in {"accepted", "in_transit", "ready"} for hold in await self.holds(library))

    async def move(self, library: str, status: str) -> None:
        ref = (await self.holds(library))[-1]["ref"]
        answer = await self.client.post(f"{self.url}/control/{library}/holds/{ref}", json={"status": status})
        assert answer.status_code == 200, answer.text

    async def forget_tokens(self, library: str) -> None:
        await self.client.delete(f"{self.url}/control/{library}/tokens")

    async def operations(self, library: str) -> dict[str, int]:
        told: dict[str, int] = (await self.client.get(f"{self.url}/control/{library}")).json()["requests"][
            "by_operation"
        ]
        return told


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def client(anyio_backend: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False, verify=_TLS) as client:
        yield client


@pytest.fixture
async def simulators(anyio_backend: str) -> AsyncIterator[str]:
    server = Server(Simulators())
    port = await server.start("127.0.0.1", 0)
    yield f"http://127.0.0.1:{port}"
    await server.stop()


@pytest.fixture
def site(simulators: str, client: httpx2.AsyncClient) -> Site:
    return Site(simulators, client)
