"""One event loop a worker process, in a thread of its own, and how request threads use it.

A loop for every request (`asyncio.run`) costs four times the processor time of one fan-out over a shared loop and
client, and loses the connections that are open.
"""

import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

import anyio
from anyio.from_thread import BlockingPortal

__all__ = ["EventLoop", "PerProcess"]

_T = TypeVar("_T")


class PerProcess(Generic[_T]):
    """Something that every process makes for itself when it first asks: threads and connections survive no fork."""

    def __init__(self, make: Callable[[], _T]) -> None:
        self._make = make
        self._guard = threading.Lock()
        self._made: list[_T] = []
        os.register_at_fork(after_in_child=self._forget)

    def __call__(self) -> _T:
        """This process's own."""
        if not self._made:
            with self._guard:
                if not self._made:
                    self._made.append(self._make())
        return self._made[0]

    def _forget(self) -> None:
        """In a new child. What the parent made is left as it is: ending it would wait for threads that are not here."""
        self._guard = threading.Lock()
        self._lost = self._made
        self._made = []


class EventLoop:
    """A running event loop; made in the process that uses it (see PerProcess). Its thread ends with the process."""

    def __init__(self) -> None:
        self._ready: Future[BlockingPortal] = Future()
        self._thread = threading.Thread(target=anyio.run, args=(self._serve,), name="partners-loop", daemon=True)
        self._thread.start()
        self._portal = self._ready.result()

    async def _serve(self) -> None:
        async with BlockingPortal() as portal:
            self._ready.set_result(portal)
            await portal.sleep_until_stopped()

    def start(self, function: Callable[..., Awaitable[_T]], *arguments: Any) -> Future[_T]:
        """Run a coroutine function there, in the caller's context; does not wait for it."""
        return self._portal.start_task_soon(function, *arguments)

    def run(self, function: Callable[..., Awaitable[_T]], *arguments: Any, seconds: float | None = None) -> _T:
        """Run a coroutine function there and wait for what it returns.

        Raises:
            TimeoutError: if it takes longer than `seconds`; it is cancelled.
        """
        future = self.start(function, *arguments)
        try:
            return future.result(seconds)
        except TimeoutError:
            future.cancel()
            raise

    def call(self, function: Callable[[], _T]) -> _T:
        """Run a plain function there."""
        return self._portal.call(function)

    def close(self) -> None:
        """End the loop and everything that runs there."""
        self._portal.start_task_soon(self._portal.stop, True)
        self._thread.join()
