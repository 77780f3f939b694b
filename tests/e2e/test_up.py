"""`bookwell up`: starts, tells, restarts, refuses and stops."""

import json
import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.e2e.embedded import Up, command_line, is_alive, run_up, wait_until

_ADDRESSES = ("library_url", "partners_url", "tables_url", "simulators_url", "mail_url")
_LIBRARY_ALONE = ("--only", "library")
_LIBRARY = "serve\0library"
_DEMO_USERS = {
    "admin": "admin",
    "librarian": "librarian",
    "staff": "staff",
    "reader": "reader",
    "customer": "reader",
    "josh": "reader",
    "mike": "reader",
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with run_up(tmp_path_factory.mktemp("up"), "--demo") as up:
        up.wait_until_ready()
        yield up


def test_up__ready__answers_and_prints_its_address(demo: Up) -> None:
    assert demo.is_ready()
    assert f"http://127.0.0.1:{demo.port}" in demo.text


def test_up__with_demo__writes_addresses_and_users_for_scripts(demo: Up) -> None:
    document = json.loads((demo.folder / "demo.json").read_text())

    assert document["library_url"] == f"http://127.0.0.1:{demo.port}"
    assert document["mail_url"] == f"http://127.0.0.1:{demo.mail_port}"
    assert set(document) == {"users", "backoffice_url", *_ADDRESSES}
    assert httpx2.get(document["backoffice_url"], trust_env=False).status_code == 200
    assert {httpx2.get(f"{document[name]}/health/ready", trust_env=False).status_code for name in _ADDRESSES} == {200}
    assert {user["username"]: user["role"] for user in document["users"]} == _DEMO_USERS
    assert all(set(user) == {"role", "username", "password"} for user in document["users"])
    assert len({user["password"] for user in document["users"]}) == len(_DEMO_USERS)


def test_up__with_demo__keeps_passwords_from_others_on_the_machine(demo: Up) -> None:
    modes = {name: stat.S_IMODE((demo.folder / name).stat().st_mode) for name in (".", "demo.json", "keys")}

    assert modes == {".": 0o700, "demo.json": 0o600, "keys": 0o700}


def test_up__the_folder_is_in_use__refuses_and_disturbs_nothing(demo: Up, tmp_path: Path) -> None:
    with run_up(tmp_path, "--data-dir", str(demo.folder)) as second:
        status = second.process.wait(60)

    assert status == 1
    assert "Another `bookwell up` is running" in second.text
    assert demo.is_ready()


@pytest.fixture(scope="module")
def whole(demo: Up) -> int:
    """How many processes there are while all runs."""
    return len(demo.descendants())


@pytest.mark.parametrize(
    ("command", "place"),
    [(_LIBRARY, 0), (_LIBRARY, 1), ("bookwell.cli.background", 0)],
    ids=["server", "worker", "background"],
)
def test_up__a_process_is_killed__is_started_again(demo: Up, whole: int, command: str, place: int) -> None:
    before = _processes(demo, whole)
    victim = [pid for pid, words in before.items() if command in words][place]

    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: not is_alive(victim))

    assert victim not in _processes(demo, whole)
    wait_until(lambda: _all_ready(demo))


def _processes(demo: Up, number: int) -> dict[int, str]:
    """The commands of all that runs, by process, a server's before that of the one that works for it; so many."""
    found: dict[int, str] = {}

    def is_whole() -> bool:
        found.clear()
        found.update((pid, command_line(pid)) for pid in demo.descendants())
        return len(found) == number and all(found.values())  # one that has ended has no words any more

    wait_until(is_whole)
    return found


def _all_ready(demo: Up) -> bool:
    document = json.loads((demo.folder / "demo.json").read_text())
    try:
        answers = [httpx2.get(f"{document[name]}/health/ready", trust_env=False) for name in _ADDRESSES]
    except httpx2.TransportError:
        return False
    return all(answer.status_code == 200 for answer in answers)


def test_up__the_port_is_taken__refuses_and_names_port_and_variable(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with run_up(tmp_path, port=port) as up:
            status = up.process.wait(60)

    assert status == 1
    assert f"Port {port} is taken" in up.text
    assert "BOOKWELL_LIBRARY_PORT" in up.text
    assert not (tmp_path / "data" / "library.sqlite3").exists()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_up__ended_by_a_signal__leaves_no_process_behind(tmp_path: Path, end: signal.Signals) -> None:
    with run_up(tmp_path, *_LIBRARY_ALONE) as up:
        up.wait_until_ready()
        below = up.descendants()

        up.process.send_signal(end)
        status = up.process.wait(60)

        assert status == (-signal.SIGKILL if end is signal.SIGKILL else 0)
        assert below
        wait_until(lambda: not any(is_alive(pid) for pid in below))


def test_up__without_demo__makes_no_users_and_says_how_to_make_the_first(tmp_path: Path) -> None:
    with run_up(tmp_path, *_LIBRARY_ALONE) as up:
        up.wait_until_ready()

    assert not (up.folder / "demo.json").exists()
    assert f"library: nobody can log in yet. BOOKWELL_DATA_DIR={up.folder} " in up.text
    assert "bookwell create-admin NAME EMAIL\n" in up.text


def test_up__started_again_with_demo__keeps_users_and_passwords(tmp_path: Path) -> None:
    users = []
    for _ in range(2):
        with run_up(tmp_path, "--demo", *_LIBRARY_ALONE, password="one-for-all") as up:
            up.wait_until_ready()
            users.append(json.loads((up.folder / "demo.json").read_text())["users"])

    assert users[0] == users[1]
    assert {user["password"] for user in users[0]} == {"one-for-all"}


def test_up__an_unknown_service__refuses_and_lists_what_there_is(tmp_path: Path) -> None:
    with run_up(tmp_path, "--only", "library,bakery") as up:
        status = up.process.wait(60)

    assert status == 2
    assert "bakery" in up.text
    assert "library" in up.text
