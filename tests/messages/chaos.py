"""Kills at random: every part of a site in turn, by `kill -9`, while a writer writes."""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from tests.messages.outcome import Kill
from tests.messages.site import Site

__all__ = ["Chaos"]


@dataclass(slots=True)
class Chaos:
    """Kills parts of a site until its writer has finished; `pause` is the mean time between two kills in seconds."""

    site: Site
    chance: random.Random
    pause: float
    kills: list[Kill] = field(default_factory=list)

    def rage(self, *, at_least: int) -> None:
        """Kill everybody in turn, in an order that changes each time, and start them again."""
        while not self._writer_is_done() or len(self.kills) < at_least:
            victims = list(self._victims().items())
            for name, kill in self.chance.sample(victims, len(victims)):
                self._kill(name, kill)
                if self._writer_is_done() and len(self.kills) >= at_least:
                    return

    def _kill(self, name: str, kill: Callable[[], None]) -> None:
        time.sleep(self.pause * self.chance.uniform(0.5, 1.5))
        self.kills.append(Kill(name, time.time()))
        kill()
        if self.chance.random() < 0.5:
            time.sleep(self.pause * self.chance.random())
        self._start_again()

    def _start_again(self) -> None:
        if self.site.sink.process is None or self.site.sink.process.poll() is not None:
            self.site.sink.start()
        if self.site.broker is not None and not self.site.broker.is_running:
            self.site.broker.start()
        for name, part in self.site.parts.items():
            if name != "writer" or not self._writer_is_done():
                part.start()

    def _victims(self) -> dict[str, Callable[[], None]]:
        victims: dict[str, Callable[[], None]] = {"sink": self.site.sink.kill}
        for name, part in self.site.parts.items():
            victims[name] = part.kill
            if name.startswith("worker"):
                victims[f"child of {name}"] = lambda part=part: part.kill_child(self.chance)  # type: ignore[misc]
        if self.site.broker is not None:
            victims["broker"] = self.site.broker.kill
        return victims

    def _writer_is_done(self) -> bool:
        with suppress(KeyError):
            process = self.site.parts["writer"].process
            return process is not None and process.poll() == 0
        return True
