"""The first-come lock."""

import threading

import pytest

from bookwell.kit.fifo import FifoLock


def test_fifo_lock__several_waiters__are_served_in_the_order_they_came() -> None:
    lock, served, waiting = FifoLock(), list[int](), threading.Semaphore(0)

    def wait_for_turn(number: int) -> None:
        with lock:
            served.append(number)

    threads = [threading.Thread(target=wait_for_turn, args=(number,)) for number in range(8)]
    with lock:
        for number, thread in enumerate(threads):
            thread.start()
            while len(lock._waiters) <= number:  # noqa: SLF001 -- nothing else shows who waits
                waiting.acquire(timeout=0.001)
    for thread in threads:
        thread.join()

    assert served == list(range(8))


def test_fifo_lock__the_holder_wants_it_again__does_not_overtake_who_waits() -> None:
    lock, served = FifoLock(), list[str]()

    def wait_for_turn() -> None:
        with lock:
            served.append("waiter")

    waiter = threading.Thread(target=wait_for_turn)
    with lock:
        waiter.start()
        while not lock._waiters:  # noqa: SLF001 -- nothing else shows who waits
            pass
    with lock:
        served.append("greedy")
    waiter.join()

    assert served == ["waiter", "greedy"]


def test_fifo_lock__the_holder_fails__is_free_again() -> None:
    lock = FifoLock()

    with pytest.raises(LookupError), lock:
        raise LookupError

    with lock:
        pass


def test_fifo_lock__many_threads__one_at_a_time() -> None:
    lock, inside, most = FifoLock(), 0, 0

    def enter_often() -> None:
        nonlocal inside, most
        for _ in range(200):
            with lock:
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=enter_often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (inside, most) == (0, 1)
