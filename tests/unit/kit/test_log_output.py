import os
import subprocess
import sys
import textwrap

import pytest

PROGRAM = textwrap.dedent("""
    import logging, os, sys, threading, time
    import structlog
    from bookwell.kit import logs

    logs.configure({"level": "INFO", "service": "x"})
    log = structlog.get_logger()
    ways = {"structlog": log.info, "logging": logging.getLogger("x").info}
    say = lambda: ways[sys.argv[1]]("x" * 3000)
    stop = threading.Event()

    def chatter():
        while not stop.is_set():
            say()

    talkers = [threading.Thread(target=chatter, daemon=True) for _ in range(2)]
    for talker in talkers:
        talker.start()
    stuck = 0
    for _ in range(25):
        time.sleep(0.01)
        child = os.fork()
        if not child:
            say()
            os._exit(0)
        ends_at = time.monotonic() + 30
        while time.monotonic() < ends_at and not (ended := os.waitpid(child, os.WNOHANG)[0]):
            time.sleep(0.005)
        if not ended:
            os.kill(child, 9)
            os.waitpid(child, 0)
            stuck += 1
            break
    stop.set()
    for talker in talkers:
        talker.join(60)
    sys.exit(stuck)
""")


@pytest.mark.parametrize("way", ["structlog", "logging"])
def test_fork__threads_log__the_child_logs_too(way: str) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

    ended = subprocess.run(  # noqa: S603 -- our own program
        [sys.executable, "-c", PROGRAM, way], env=environment, stdout=subprocess.PIPE, timeout=120, check=False
    )

    assert ended.returncode == 0, "a child hangs"
    assert all(line.startswith(b'{"') and line.endswith(b"}") for line in ended.stdout.splitlines())
