"""People of a demo: the same everywhere, with passwords that no kill loses."""

import json
import stat
from pathlib import Path

import pytest

from bookwell.cli import samples
from bookwell.cli.samples import DEMO_USERS, load_samples, read_demo_file
from bookwell.library.demo import DEMO_USERS as OF_LIBRARY


class Sampled:
    """A service whose database may be filled; `is_killed` before it is."""

    def __init__(self) -> None:
        self.passwords: dict[str, str] = {}
        self.is_killed = False

    def load(self, passwords: dict[str, str]) -> None:
        if self.is_killed:
            raise KeyboardInterrupt
        self.passwords = dict(passwords)


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> dict[str, Sampled]:
    made = {"library": Sampled(), "tables": Sampled()}
    fakes = {
        name: lambda service=service: samples._Sample(lambda: not service.passwords, service.load)  # noqa: SLF001
        for name, service in made.items()
    }
    monkeypatch.setattr(samples, "_SAMPLES", fakes)
    return made


def test_demo_users__are_those_of_the_library() -> None:
    assert {name: role.value for name, role in OF_LIBRARY.items()} == DEMO_USERS


def test_load_samples__one_service_later__gets_the_same_people(services: dict[str, Sampled], tmp_path: Path) -> None:
    load_samples(tmp_path, ["tables", "partners"])
    load_samples(tmp_path, ["library", "tables"])

    assert services["library"].passwords == services["tables"].passwords
    assert set(services["tables"].passwords) == set(DEMO_USERS)
    assert len(set(services["tables"].passwords.values())) == len(DEMO_USERS)


def test_load_samples__killed_between_two__keeps_what_the_first_one_knows(
    services: dict[str, Sampled], tmp_path: Path
) -> None:
    services["tables"].is_killed = True
    with pytest.raises(KeyboardInterrupt):
        load_samples(tmp_path, ["library", "tables"])
    services["tables"].is_killed = False

    load_samples(tmp_path, ["library", "tables"])

    told = {user["username"]: user["password"] for user in read_demo_file(tmp_path)["users"]}
    assert services["library"].passwords == services["tables"].passwords == told
    assert stat.S_IMODE((tmp_path / "demo.json").stat().st_mode) == 0o600


def test_load_samples__nothing_is_empty__writes_nothing(services: dict[str, Sampled], tmp_path: Path) -> None:
    for service in services.values():
        service.passwords = {"somebody": "else"}

    load_samples(tmp_path, ["library", "tables"])

    assert not (tmp_path / "demo.json").exists()


def test_load_samples__with_one_password_for_all__keeps_addresses(
    services: dict[str, Sampled], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOKWELL_DEMO_PASSWORD", "one-for-all")
    (tmp_path / "demo.json").write_text(json.dumps({"mail_url": "http://127.0.0.1:1"}))

    load_samples(tmp_path, ["tables"])

    assert set(services["tables"].passwords.values()) == {"one-for-all"}
    assert read_demo_file(tmp_path)["mail_url"] == "http://127.0.0.1:1"
