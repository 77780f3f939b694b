"""Signs of life, told by a file's time."""

import os
import threading
import time
from pathlib import Path

from bookwell.kit.heartbeat import Heartbeat, is_alive
from bookwell.kit.outbox.relay import Relay


class _NoPublisher:
    def publish(self, envelopes: object) -> None:
        raise AssertionError(envelopes)


def test_is_alive__without_a_file__is_not() -> None:
    file = Path("nowhere")

    assert not is_alive(file)


def test_beat__says_that_the_process_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "beat"

    Heartbeat(file).beat()

    assert is_alive(file)


def test_is_alive__silent_for_minutes__is_not(tmp_path: Path) -> None:
    file = tmp_path / "beat"
    Heartbeat(file).beat()
    long_ago = time.time() - 120
    os.utime(file, (long_ago, long_ago))

    assert not is_alive(file)


def test_beat__soon_again__leaves_the_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "beat"
    heartbeat = Heartbeat(file)
    heartbeat.beat()
    file.unlink()

    heartbeat.beat()

    assert not file.exists()


def test_relay__gives_signs_of_life_while_there_is_nothing_to_do(tmp_path: Path) -> None:
    file = tmp_path / "beat"
    stop = threading.Event()
    relay = Relay([], _NoPublisher(), heartbeat=Heartbeat(file))
    thread = threading.Thread(target=relay.run, args=(stop,))

    thread.start()
    while not file.exists() and thread.is_alive():
        time.sleep(0.01)
    stop.set()
    thread.join()

    assert is_alive(file)
