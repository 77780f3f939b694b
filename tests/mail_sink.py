"""A real SMTP server for tests, as a process: it takes every mail, keeps it, and misbehaves where it is told to.

    with mail_sink(folder) as sink:
        sink.behave(Rule("slow@*", "accept_slowly", seconds=3), Rule("gone@*", "refuse"))
        ...
        [mail.message["Subject"] for mail in sink.mails() if mail.to == "reader@example.org"]

A mail is on disk before it is answered 250, so that a sink that is killed loses nothing that it accepted. Rules lie in
a file that is read for every mail: they hold for a sink that is started again too.
"""

import argparse
import asyncio
import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from aiosmtpd.smtp import SMTP, Envelope, Session

from bookwell.cli.processes import spawn, stop
from tests.infrastructure.servers import free_port

__all__ = ["Behaviour", "Mail", "MailSink", "Rule", "mail_sink"]

Behaviour = Literal["refuse", "refuse_content", "later", "accept_slowly", "never_answer", "drip", "drop_after_data"]

_ACCEPTED = "accepted.jsonl"
_RULES = "rules.json"
_USED = "used.txt"
_START_SECONDS = 60
_ANSWERS_TO_RCPT = {"refuse": "550 5.1.1 No such mailbox", "later": "451 4.7.1 Try again later"}
_DRIP = b"250-One moment\r\n"


@dataclass(frozen=True, slots=True)
class Rule:
    """How to treat mails to the addresses that match the pattern `to` (as a shell matches file names).

    refuse: 550 to the address; refuse_content: 554 to the mail; later: 451 to the address; accept_slowly: keep it, wait
    `seconds`, 250; never_answer: do not keep it, say nothing; drip: a line of an answer a second, for `seconds`, then
    421; drop_after_data: keep it and cut the connection before the answer. `times` limits how often, over all starts.
    """

    to: str
    do: Behaviour
    seconds: float = 3600
    times: int = sys.maxsize


@dataclass(frozen=True, slots=True)
class Mail:
    """One accepted mail: `to` is the envelope's recipient, `accepted_at` in seconds since 1970."""

    accepted_at: float
    sender: str
    to: str
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """The parsed mail: headers, `get_body(("plain",))`, `walk()`."""
        parsed = message_from_bytes(self.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    @property
    def message_id(self) -> str:
        """The header by which receivers drop copies."""
        return str(self.message["Message-ID"])

    @property
    def subject(self) -> str:
        """The decoded subject."""
        return str(self.message["Subject"])

    @property
    def parts(self) -> dict[str, str]:
        """The decoded text of each leaf part, by its MIME type, with plain line ends."""
        leaves = [part for part in self.message.walk() if not part.is_multipart()]
        return {part.get_content_type(): str(part.get_content()).replace("\r\n", "\n") for part in leaves}


@dataclass(slots=True)
class MailSink:
    """The sink seen from a test; `folder` keeps the mails, the rules and a log. Start it from the main thread."""

    folder: Path
    port: int = field(default_factory=free_port)
    is_durable: bool = True
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For `BOOKWELL_SMTP_URL`."""
        return f"smtp://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.folder.mkdir(parents=True, exist_ok=True)
        options = [str(self.folder), f"--port={self.port}", *([] if self.is_durable else ["--relaxed"])]
        with (self.folder / "sink.log").open("ab") as log:
            self.process = spawn([sys.executable, "-m", "tests.mail_sink", *options], output=log)
        deadline = time.monotonic() + _START_SECONDS
        while not _listens(self.port):
            assert self.process.poll() is None, (self.folder / "sink.log").read_text()
            assert time.monotonic() < deadline, "the sink does not listen"
            time.sleep(0.05)

    def kill(self) -> None:
        """`kill -9`."""
        if self.process is not None:
            stop(self.process, ask=signal.SIGKILL)

    def behave(self, *rules: Rule) -> None:
        """Replace all rules; the first that matches an address holds."""
        draft = self.folder / f".{_RULES}"
        self.folder.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps([asdict(rule) for rule in rules]))
        draft.replace(self.folder / _RULES)

    def mails(self) -> list[Mail]:
        """What was accepted, in that order; a mail to several addresses stands there once for each."""
        return list(_read(self.folder / _ACCEPTED))

    def count(self) -> int:
        """How many mails were accepted."""
        file = self.folder / _ACCEPTED
        return file.read_bytes().count(b"\n") if file.exists() else 0


@contextmanager
def mail_sink(folder: Path, *rules: Rule, is_durable: bool = True) -> Iterator[MailSink]:
    """A started sink, killed in the end."""
    sink = MailSink(folder, is_durable=is_durable)
    sink.behave(*rules)
    try:
        sink.start()
        yield sink
    finally:
        sink.kill()


@dataclass(slots=True)
class _Handler:
    """What aiosmtpd asks; each answer is the SMTP reply."""

    folder: Path
    is_durable: bool
    used: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        file = self.folder / _USED
        self.used.update(file.read_text().splitlines() if file.exists() else [])

    async def handle_RCPT(  # noqa: N802 -- aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        rule = self._rule_for([address])
        if rule is not None and rule.do in _ANSWERS_TO_RCPT:
            self._use(rule)
            return _ANSWERS_TO_RCPT[rule.do]
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(rcpt_options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 -- aiosmtpd's name
        rule = self._rule_for(envelope.rcpt_tos)
        if rule is not None:
            self._use(rule)
        match rule:
            case Rule(do="refuse_content"):
                return "554 5.6.0 Not here"
            case Rule(do="never_answer", seconds=seconds):
                await asyncio.sleep(seconds)
                return "421 4.4.2 Gave up"
            case Rule(do="drip", seconds=seconds):
                return await _drip(server, seconds)
        self._keep(envelope)
        if rule is not None and rule.do == "accept_slowly":
            await asyncio.sleep(rule.seconds)
        if rule is not None and rule.do == "drop_after_data":
            _cut(server)
        return "250 OK kept"

    def _rule_for(self, addresses: Sequence[str]) -> Rule | None:
        matching = (
            rule
            for rule in _rules(self.folder)
            if self.used[repr(rule)] < rule.times and any(fnmatchcase(address, rule.to) for address in addresses)
        )
        return next(matching, None)

    def _use(self, rule: Rule) -> None:
        self.used[repr(rule)] += 1
        if rule.times < sys.maxsize:
            with (self.folder / _USED).open("a") as stream:
                stream.write(f"{rule!r}\n")

    def _keep(self, envelope: Envelope) -> None:
        content = envelope.original_content or b""
        rest = {"sender": envelope.mail_from, "content": base64.b64encode(content).decode()}
        lines = [json.dumps({"accepted_at": time.time(), "to": to} | rest) + "\n" for to in envelope.rcpt_tos]
        with (self.folder / _ACCEPTED).open("ab") as stream:
            stream.write("".join(lines).encode())
            stream.flush()
            if self.is_durable:
                os.fsync(stream.fileno())


def _read(file: Path) -> Iterator[Mail]:
    lines = file.read_bytes().splitlines(keepends=True) if file.exists() else []
    for line in lines:
        if line.endswith(b"\n"):  # a sink killed while it wrote leaves half a line, of a mail that it did not accept
            row: dict[str, Any] = json.loads(line)
            yield Mail(row["accepted_at"], row["sender"], row["to"], base64.b64decode(row["content"]))


def _rules(folder: Path) -> list[Rule]:
    return [Rule(**row) for row in json.loads((folder / _RULES).read_text())]


async def _drip(server: SMTP, seconds: float) -> str:
    """Keep a client busy whose time-out is that of a single read."""
    transport: Any = server.transport
    for _ in range(int(seconds)):
        if transport.is_closing():
            break
        transport.write(_DRIP)
        await asyncio.sleep(1)
    return "421 4.4.2 Gave up"


def _cut(server: SMTP) -> None:
    """End the connection as a machine that lost its power does, as far as the other side can tell."""
    transport: Any = server.transport
    line = transport.get_extra_info("socket")
    if line is not None:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    transport.abort()


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as line:
        return line.recv(3) == b"220"
    return False


def _drop_half_a_line(file: Path) -> None:
    if file.exists():
        content = file.read_bytes()
        os.truncate(file, content.rfind(b"\n") + 1)


async def _serve(handler: _Handler, port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="sink.example", enable_SMTPUTF8=True, loop=loop), "127.0.0.1", port
    )
    async with server:
        await server.serve_forever()


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mail_sink")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--relaxed", action="store_true", help="do not wait for the disk")
    options = parser.parse_args()
    _drop_half_a_line(options.folder / _ACCEPTED)
    rules = options.folder / _RULES
    if not rules.exists():
        rules.write_text("[]")
    asyncio.run(_serve(_Handler(options.folder, is_durable=not options.relaxed), options.port))


if __name__ == "__main__":
    _main()
