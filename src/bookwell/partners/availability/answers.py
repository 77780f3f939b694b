"""Answers to questions that many ask: remembered, asked again in time, and by one process at a time.

A question has a key and a way to ask. Whoever waits, waits until a deadline at most; the asking itself may go on and
is then found by the next.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from anyio import to_thread

from bookwell.kit import clock
from bookwell.partners.availability.cache import AnswerCache, RedisCache
from bookwell.partners.availability.calls import INTERNAL, CallFailed
from bookwell.partners.availability.rules import MISSING, Ages, Freshness, Remembered, freshness_of
from bookwell.partners.loop import EventLoop

__all__ = ["NO_SUCH_THING", "Answers", "Question", "Told"]

NO_SUCH_THING = "not_found"
"""The code of a failure that is an answer: it takes the place of what was remembered, for a short while."""

TIMEOUT = "timeout"
_POLL_SECONDS = 0.05
_HAND_OVER_SECONDS = 0.02
_LOCK_MARGIN_SECONDS = 1.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Question:
    """`ask` gets the seconds it may take, and raises CallFailed; what it returns is JSON's."""

    key: str
    ask: Callable[[float], Awaitable[Mapping[str, Any]]]
    seconds: float


@dataclass(frozen=True, slots=True)
class Told:
    """What is told: an answer, an answer in spite of an error, or an error alone."""

    answer: Remembered | None = None
    from_cache: bool = False
    error: str | None = None


class Answers:
    """Asks, remembers and tells; used from request threads."""

    def __init__(self, cache: AnswerCache, loop: EventLoop, ages: Ages) -> None:
        self._cache = cache
        self._is_shared = isinstance(cache, RedisCache)
        self._loop = loop
        self._ages = ages
        self._running: dict[str, asyncio.Task[Told]] = {}  # touched in the loop's thread only

    def tell(self, questions: Sequence[Question], *, deadline: float) -> list[Told]:
        """What can be told of each question before `deadline` (of `time.monotonic`)."""
        now = clock.now().timestamp()
        found = self._cache.find([question.key for question in questions])
        freshness = [freshness_of(remembered, self._ages, now=now) for remembered in found]
        told = [_told_of(remembered) for remembered in found]
        needed = [index for index, fresh in enumerate(freshness) if fresh >= Freshness.OLD]
        meanwhile = [questions[index] for index, fresh in enumerate(freshness) if fresh is Freshness.STALE]
        if needed or meanwhile:
            wanted = [questions[index] for index in needed]
            outcomes = self._ask(wanted, meanwhile, deadline)
            for index, outcome in zip(needed, outcomes, strict=True):
                kept = found[index] if freshness[index] is Freshness.OLD else None
                told[index] = _in_spite(outcome, kept)
        return told

    def _ask(self, wanted: Sequence[Question], meanwhile: Sequence[Question], deadline: float) -> list[Told]:
        """Start what is needed and what may wait; the outcomes of the former by the deadline."""
        asked: list[asyncio.Task[Told]] = []
        future = self._loop.start(self._ask_all, wanted, meanwhile, deadline, asked)
        if not wanted:
            return []
        try:
            return future.result(max(0, deadline - time.monotonic()))
        except TimeoutError:  # the loop itself is late
            future.cancel()
            told = [_result_of(task) for task in tuple(asked)]
            return told + [Told(error=TIMEOUT)] * (len(wanted) - len(told))

    async def _ask_all(
        self,
        wanted: Sequence[Question],
        meanwhile: Sequence[Question],
        deadline: float,
        asked: list[asyncio.Task[Told]],
    ) -> list[Told]:
        """`asked` gets a task for each that is wanted: who cannot wait for this loop sees there which have ended."""
        for question in meanwhile:
            self._asking(question)
        asked.extend([self._asking(question) for question in wanted])
        if asked:
            # A little less than the caller has, so that the answers of those in time reach it.
            await asyncio.wait(asked, timeout=max(0, deadline - time.monotonic() - _HAND_OVER_SECONDS))
        return [_result_of(task) for task in asked]

    def _asking(self, question: Question) -> asyncio.Task[Told]:
        """The task that asks a question: the one that runs already, or a new one."""
        task = self._running.get(question.key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._ask_alone(question))
            self._running[question.key] = task
            task.add_done_callback(lambda _: self._running.pop(question.key, None))
        return task

    async def _ask_alone(self, question: Question) -> Told:
        """Ask under the key's lock, or take what the process tells that has it. Never raises."""
        deadline = time.monotonic() + question.seconds
        lock = f"{question.key}"
        while True:
            token = await self._use(self._cache.lock, lock, question.seconds + _LOCK_MARGIN_SECONDS)
            try:
                answer = await self._fresh(question.key) if self._is_shared else None
                if answer is not None:
                    return _told_of(answer)
                if token is not None:
                    return await self._ask_now(question, deadline - time.monotonic())
            finally:
                if token is not None:
                    await self._use(self._cache.unlock, lock, token)
            if time.monotonic() + _POLL_SECONDS >= deadline:
                return Told(error=TIMEOUT)
            await asyncio.sleep(_POLL_SECONDS)

    async def _ask_now(self, question: Question, seconds: float) -> Told:
        try:
            content = await question.ask(seconds)
        except CallFailed as failure:
            if failure.code == NO_SUCH_THING:
                await self._remember(question.key, MISSING, self._ages.missing)
            return Told(error=failure.code)
        except Exception:  # noqa: BLE001 -- a fault of ours is told as one, and stops nobody else's question
            _log.exception("partners.question_failed", key=question.key)
            return Told(error=INTERNAL)
        return Told(await self._remember(question.key, content, self._ages.kept))

    async def _remember(self, key: str, content: Mapping[str, Any], seconds: float) -> Remembered:
        answer = Remembered(clock.now().timestamp(), content)
        await self._use(self._cache.remember, key, answer.fetched_at, dict(content), seconds)
        return answer

    async def _fresh(self, key: str) -> Remembered | None:
        """What another process may have remembered since we looked."""
        (remembered,) = await self._use(self._cache.find, [key])
        is_fresh = freshness_of(remembered, self._ages, now=clock.now().timestamp()) is Freshness.FRESH
        return remembered if is_fresh else None

    async def _use(self, method: Callable[..., Any], *arguments: Any) -> Any:
        """Use the cache without stopping the loop where it is on the network."""
        if self._is_shared:
            return await to_thread.run_sync(method, *arguments)
        return method(*arguments)


def _result_of(task: asyncio.Task[Told]) -> Told:
    """What a task has told, or that it is late; a task that has ended may be asked from any thread."""
    return task.result() if task.done() and not task.cancelled() else Told(error=TIMEOUT)


def _told_of(remembered: Remembered | None) -> Told:
    if remembered is not None and remembered.is_missing:
        return Told(from_cache=True, error=NO_SUCH_THING)
    return Told(remembered, from_cache=True)


def _in_spite(outcome: Told, kept: Remembered | None) -> Told:
    """The outcome, or an old answer in spite of its error."""
    if outcome.error is None or outcome.error == NO_SUCH_THING or kept is None:
        return outcome
    return Told(kept, from_cache=True, error=outcome.error)
