"""A production on this machine: what compose.production.yaml starts, with its settings, without containers.

Every environment and every command is read from the composition and the Dockerfile; only addresses, ports and folders
are this machine's. Servers are those of `tests.infrastructure`, mails go to `tests.mail_sink`, and the simulators stand
for partner libraries and a back office.
"""

import os
import secrets
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx2
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bookwell.cli.healthy import is_healthy
from bookwell.cli.processes import spawn, stop
from bookwell.partners.simulated import simulated_partners
from tests.composition import DEMO, PRODUCTION, Composition, images
from tests.e2e.embedded import wait_until
from tests.infrastructure import drop_database, new_database
from tests.infrastructure.servers import free_port
from tests.mail_sink import MailSink

__all__ = ["Production", "production"]

_SERVERS = {"library": 8013, "partners": 5013, "tables": 9000, "notifier": 8025, "simulators": 8030}
"""By the port that each has in its container."""
_KNOW_SIMULATORS = frozenset({"prepare", "partners", "simulators"})
"""Who reads what stands in an operator's partners.env."""
_COMMAND = [sys.executable, "-m", "bookwell.cli.main"]
_START_SECONDS = 90
_STOP_SECONDS = 40


@dataclass(slots=True)
class _Program:
    process: subprocess.Popen[bytes]
    log: Path
    health: str


@dataclass
class Production:
    """What runs, by its name in the composition; `urls` are the databases, the cache and the broker by their variables.

    `changes` are settings that differ from the composition's, for every service.
    """

    folder: Path
    urls: Mapping[str, str]
    sink: MailSink
    changes: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in _SERVERS})
    programs: dict[str, _Program] = field(default_factory=dict)

    def url(self, service: str) -> str:
        """Where a server listens."""
        return f"http://127.0.0.1:{self.ports[service]}"

    def ask(self, service: str, method: str, path: str, body: Any = None, *, token: str = "") -> httpx2.Response:
        """One request."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = path if path.startswith("http") else f"{self.url(service)}{path}"
        return httpx2.request(method, url, json=body, headers=headers, timeout=20, trust_env=False)

    def call(self, service: str, method: str, path: str, body: Any = None, *, token: str = "") -> Any:
        """The body of a good answer."""
        answer = self.ask(service, method, path, body, token=token)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def prepare(self) -> None:
        """What the composition's first service does."""
        self.run(*self._composition.services["prepare"]["command"])

    def run(self, *arguments: str, **variables: str) -> str:
        """A command of an operator; answers what it printed."""
        environment = self.environment("prepare") | variables
        done = subprocess.run(  # noqa: S603 -- our own command
            [*_COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout

    def start(self, *services: str, name: str = "", port: int = 0, wait: bool = True) -> None:
        """Start services, all at once, and wait until their health checks are content. From the main thread.

        A second one of a kind has a `name` and a `port` of its own.
        """
        for service in services:
            known_as = name or service
            log = self.folder / f"{known_as}.log"
            command = [*_COMMAND, *self.command(service, port=port)]
            health = str(port) if port else self._health(service)
            if not health.isdecimal():
                Path(health).unlink(missing_ok=True)  # of one that ran before
            with log.open("ab") as stream:
                process = spawn(command, env=self.environment(service), output=stream)
            self.programs[known_as] = _Program(process, log, health)
        if wait:
            for service in services:
                self.wait_until_healthy(name or service)

    def tell(self, name: str, number: signal.Signals) -> int:
        """Send a program a signal and wait for its end; answers its status."""
        self.programs[name].process.send_signal(number)
        return self.end(name)

    def end(self, name: str) -> int:
        """Wait for the end of a program that was told to stop; answers its status."""
        program = self.programs.pop(name).process
        try:
            return program.wait(_STOP_SECONDS)
        finally:
            stop(program)

    def wait_until_healthy(self, name: str) -> None:
        """Wait for a service's health check.

        Raises:
            AssertionError: with the end of its log, when the program ends instead.
        """
        program = self.programs[name]
        wait_until(lambda: is_healthy(program.health) or program.process.poll() is not None, seconds=_START_SECONDS)
        assert program.process.poll() is None, f"{name}: {program.log.read_text()[-4000:]}"

    def stop_programs(self) -> None:
        """End all that runs, in order."""
        for program in self.programs.values():
            program.process.send_signal(signal.SIGINT if program.health.isdecimal() else signal.SIGTERM)
        while self.programs:
            stop(self.programs.popitem()[1].process, grace_seconds=_STOP_SECONDS)

    def stop(self) -> None:
        """End everything."""
        self.stop_programs()
        self.sink.kill()

    def command(self, name: str, *, port: int = 0) -> list[str]:
        """A service's arguments to `bookwell`; databases have been prepared, and only loopback is listened on."""
        service = self._service(name)
        command = service.get("command") or images()[service["build"]["target"]].command
        kept = [word for word in command if word != "--prepare" and not word.startswith("--host=")]
        return [*kept, f"--port={port or self.ports[name]}"] if name in _SERVERS else kept

    def environment(self, name: str) -> dict[str, str]:
        """A service's environment, with this machine's addresses and folders."""
        service = self._service(name)
        given = {**images()[service["build"]["target"]].environment, **self._composition_of(name).environment(name)}
        ours = {key: self._here(name, value) for key, value in given.items() if key.startswith("BOOKWELL_")}
        ours |= {key: value for key, value in self.urls.items() if key in ours} | self.changes
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("BOOKWELL_")}
        return inherited | ours | ({"BOOKWELL_SIMULATORS_PASSWORD": "simulated"} if name in _KNOW_SIMULATORS else {})

    def _here(self, name: str, value: str) -> str:
        for service, port in _SERVERS.items():
            value = value.replace(f"http://{service}:{port}", self.url(service))
        value = value.replace("/run/secrets", str(self.folder / "secrets"))
        value = value.replace("/tmp/heartbeat", self._heartbeat(name))  # noqa: S108 -- what is replaced
        events, decisions = "backoffice-events.secret", "backoffice-decisions.secret"
        value = value.replace(f"/var/lib/bookwell/{events}", str(self.folder / "secrets" / events))
        value = value.replace(f"/var/lib/bookwell/{decisions}", str(self.folder / "secrets" / "decision_secrets"))
        return value.replace("/var/lib/bookwell", str(self.folder / "data"))

    def _heartbeat(self, name: str) -> str:
        return str(self.folder / f"{name}.heartbeat")

    def _health(self, name: str) -> str:
        return str(self.ports[name]) if name in _SERVERS else self._heartbeat(name)

    def _service(self, name: str) -> Mapping[str, Any]:
        service: Mapping[str, Any] = self._composition_of(name).all_services[name]
        return service

    def _composition_of(self, name: str) -> Composition:
        """The simulators belong to the demo."""
        return self._demo if name == "simulators" else self._composition

    @cached_property
    def _composition(self) -> Composition:
        owners = ("MYSQL", "LOGS", "POSTGRES", "TABLES", "NOTIFIER", "REDIS", "RABBITMQ")
        chosen = {f"{name}_PASSWORD": secrets.token_hex(8) for name in owners}
        return Composition.read(
            PRODUCTION,
            chosen
            | {
                "BOOKWELL_LIBRARY_URL": self.url("library"),
                "BOOKWELL_TABLES_URL": self.url("tables"),
                "BOOKWELL_TABLES_BACKOFFICE": "backoffice",
                "BOOKWELL_SMTP_URL": self.sink.url,
                "BOOKWELL_MAIL_FROM": "City Library <library@example.org>",
            },
        )

    @cached_property
    def _demo(self) -> Composition:
        return Composition.read(DEMO, {})


@contextmanager
def production(
    folder: Path, servers: Mapping[str, str], changes: Mapping[str, str] | None = None
) -> Iterator[Production]:
    """Fresh databases beside those of `servers` (URLs by kind), secrets in files, a mail server; no program runs yet.

    `servers` has mariadb, postgresql, redis and rabbitmq.
    """
    with ExitStack() as stack:
        databases = [new_database(servers[kind]) for kind in ("mariadb", "mariadb", "postgresql", "postgresql")]
        for url in databases:
            stack.callback(drop_database, url)
        names = ("LIBRARY_DATABASE", "LOG_DATABASE", "TABLES_DATABASE", "NOTIFIER_DATABASE", "REDIS", "BROKER")
        urls = [*databases, servers["redis"], servers["rabbitmq"]]
        found = {f"BOOKWELL_{name}_URL": url for name, url in zip(names, urls, strict=True)}
        sink = MailSink(folder / "sink", is_durable=False)
        sink.behave()
        site = Production(folder, found, sink, dict(changes or {}))
        (folder / "data").mkdir()
        write_secrets(folder / "secrets", simulators_url=site.url("simulators"))
        stack.callback(site.stop)
        sink.start()
        yield site


def write_secrets(folder: Path, *, simulators_url: str) -> None:
    """The files that an operator makes, and one of the simulated back office."""
    folder.mkdir(mode=0o700)
    events, decisions = (f"whsec_{b64encode(secrets.token_bytes(32)).decode()}" for _ in range(2))
    endpoint = [
        f'url = "{simulators_url}/backoffice/hooks"',
        'secret_file = "backoffice-events.secret"',
        "private = true",
    ]
    texts = {
        "secret_key": secrets.token_urlsafe(48),
        "library_keys": _pem(),
        "tables_keys": _pem(),
        "partners": simulated_partners(simulators_url).configuration,
        "webhooks": "\n".join(["[endpoints.backoffice]", *endpoint]),
        "decision_secrets": decisions,
        "backoffice-events.secret": events,
    }
    for name, text in texts.items():
        (folder / name).write_text(f"{text}\n")


def _pem() -> str:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
