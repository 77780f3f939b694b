"""What a parallel process has to itself on a server that all share."""

import pytest

from tests.infrastructure.sharing import own_database, own_virtual_host

REDIS, RABBITMQ = "redis://:secret@127.0.0.1:6379/0", "amqp://bookwell:secret@127.0.0.1:5672//"


@pytest.mark.parametrize("process", ["gw0", "gw1", "gw11"])
def test_own_parts__of_a_parallel_process__are_no_other_process_s(
    monkeypatch: pytest.MonkeyPatch, process: str
) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER", process)

    assert own_database(REDIS) == f"redis://:secret@127.0.0.1:6379/{int(process[2:]) + 1}"
    assert own_virtual_host(RABBITMQ) == f"amqp://bookwell:secret@127.0.0.1:5672/{process}"


def test_own_parts__of_the_only_process__are_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)

    assert (own_database(REDIS), own_virtual_host(RABBITMQ)) == (REDIS, RABBITMQ)
