"""Throw-away servers in containers, where a Docker engine answers and the programs are not on the machine."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.infrastructure.launching import USER
from tests.infrastructure.rabbitmq import definitions_for

__all__ = ["engine_answers", "running_containers"]

_COMPOSE_FILE = Path(__file__).parents[2] / "compose.test.yaml"
_URLS = {
    "mariadb": "mysql://root:{password}@127.0.0.1:{port}/bookwell",
    "postgresql": "postgresql://postgres:{password}@127.0.0.1:{port}/bookwell",
    "redis": "redis://:{password}@127.0.0.1:{port}/0",
    "rabbitmq": "amqp://bookwell:{password}@127.0.0.1:{port}//",
}


def engine_answers() -> bool:
    """Whether a Docker engine with the compose plugin can be used from here."""
    if shutil.which("docker") is None:
        return False
    questions = (["docker", "info"], ["docker", "compose", "version"])
    return all(subprocess.run(ask, capture_output=True, check=False).returncode == 0 for ask in questions)


@contextmanager
def running_containers(ports: Mapping[str, int]) -> Iterator[dict[str, str]]:
    """Containers of the kinds in `ports`, removed in the end; yields each kind's URL.

    Raises:
        subprocess.CalledProcessError: if an image cannot be had or a port is taken.
    """
    if not ports:
        yield {}
        return
    password = secrets.token_hex(8)
    compose = ["docker", "compose", "-p", f"bookwell-test-{secrets.token_hex(4)}", "-f", str(_COMPOSE_FILE)]
    environment = os.environ | {"PASSWORD": password, "DEFINITIONS": definitions_for(USER, password)}
    environment |= {f"{kind.upper()}_PORT": str(p) for kind, p in ports.items()}
    try:
        subprocess.run([*compose, "up", "-d", "--quiet-pull", *ports], check=True, env=environment)
        yield {kind: _URLS[kind].format(password=password, port=port) for kind, port in ports.items()}
    finally:
        subprocess.run([*compose, "down", "-v"], check=False, env=environment)
