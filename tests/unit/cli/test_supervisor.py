"""The supervisor of `bookwell up`: ports, processes that cannot be started again, logs that grow."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bookwell.cli import supervisor
from bookwell.cli.processes import stop
from bookwell.cli.supervisor import Service, StartFailed, Supervisor, check_ports, shorten_log
from tests.infrastructure.servers import free_port


def a_service(folder: Path, name: str = "library", *, port: int | None = None) -> Service:
    variable = f"BOOKWELL_{name.upper()}_PORT"
    command = [sys.executable, "-c", ""]
    return Service(name, command, {}, folder / "logs" / f"{name}.log", port=port, port_variable=variable)


def test_check_ports__two_services_on_one__is_refused_and_names_both(tmp_path: Path) -> None:
    port = free_port()

    with pytest.raises(StartFailed) as refused:
        check_ports([a_service(tmp_path, name, port=port) for name in ("library", "tables")])

    assert str(refused.value) == (
        f"Port {port} is that of library and tables. Choose another with BOOKWELL_LIBRARY_PORT or BOOKWELL_TABLES_PORT."
    )


def test_check_ports__taken_in_the_other_family_at_once__is_refused(tmp_path: Path) -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as other:
        port = other.getsockname()[1]

        with pytest.raises(StartFailed, match=f"Port {port} is taken"):
            check_ports([a_service(tmp_path, port=port)])


def test_start_again__no_process_can_be_had__tries_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    ours = Supervisor([], said.append)
    service = a_service(tmp_path)
    child = supervisor._Running(service, supervisor._start(service), 0.0)  # noqa: SLF001
    child.process.wait()
    ours._look_after(child)  # noqa: SLF001
    child.start_again_at = 0.0

    def refuse(*_: object, **__: object) -> subprocess.Popen[bytes]:
        raise OSError(12, "Cannot allocate memory")

    with monkeypatch.context() as patched:
        patched.setattr(supervisor, "spawn", refuse)
        ours._look_after(child)  # noqa: SLF001
    at = [child.start_again_at]
    child.start_again_at = 0.0
    ours._look_after(child)  # noqa: SLF001
    at.append(child.start_again_at)
    stop(child.process)

    assert [each is None for each in at] == [False, True]
    assert "library cannot be started (Cannot allocate memory); trying again in 1 s." in said


def test_look_after__the_terminal_is_gone__starts_it_again_all_the_same(tmp_path: Path) -> None:
    def say(_: str) -> None:
        raise OSError(5, "Input/output error")

    ours = Supervisor([], say)
    service = a_service(tmp_path)
    child = supervisor._Running(service, supervisor._start(service), 0.0)  # noqa: SLF001
    first = child.process
    first.wait()
    ours._look_after(child)  # noqa: SLF001
    child.start_again_at = 0.0
    ours._look_after(child)  # noqa: SLF001
    stop(child.process)

    assert child.process is not first


@pytest.fixture
def _own_handlers() -> Iterator[None]:
    """A supervisor that runs takes signals for itself."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_own_handlers")
def test_run__one_of_them_cannot_be_started__stops_those_before_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    first = Service("library", command, {}, tmp_path / "logs" / "library.log")
    second = a_service(tmp_path, "tables")
    second.log.mkdir(parents=True)  # where the log would be
    ours = Supervisor([first, second], lambda _: None)

    with pytest.raises(IsADirectoryError):
        ours.run(lambda: None)

    assert [child.process.poll() for child in ours._running] == [-signal.SIGTERM]  # noqa: SLF001


def test_shorten_log__too_long__keeps_it_beside_and_goes_on_where_the_process_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_LOG_LIMIT_BYTES", 10)
    log = tmp_path / "library.log"
    with log.open("ab", buffering=0) as written:
        written.write(b"short\n")
        shorten_log(log)
        written.write(b"and long\n")
        shorten_log(log)
        written.write(b"new\n")

    assert log.read_bytes() == b"new\n"
    assert (tmp_path / "library.old.log").read_bytes() == b"short\nand long\n"


def test_shorten_log__none_yet__does_nothing(tmp_path: Path) -> None:
    shorten_log(tmp_path / "library.log")

    assert not list(tmp_path.iterdir())
