"""The first-come lock."""

import threading

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
