"""What the doctor says of settings, files, time and space, and how it runs checks."""

import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bookwell.cli.doctor.brokers import broker_checks
from bookwell.cli.doctor.databases import binary_log_finding, clock_finding
from bookwell.cli.doctor.findings import Check, Finding, State, fine, run_checks
from bookwell.cli.doctor.machine import disk_finding, machine_checks
from bookwell.cli.doctor.neighbours import neighbour_checks
from bookwell.cli.doctor.secret_files import secret_file_checks
from bookwell.cli.doctor.site import read_site, settings_checks

_MEGABYTE = 1024 * 1024


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "data"
    made.mkdir(mode=0o700)
    monkeypatch.setenv("BOOKWELL_DATA_DIR", str(made))
    return made


def _states(checks: Mapping[str, Check], name: str) -> list[tuple[State, str]]:
    return [(each.state, each.message) for each in checks[name]()]


def test_run_checks__one_never_ends__is_left_behind_and_has_failed() -> None:
    never = threading.Event()

    def hang() -> Iterator[Finding]:
        never.wait()
        yield fine("slow", "too late")

    found = run_checks({"slow": hang, "quick": lambda: [fine("quick", "well")]}, seconds=0.5)
    never.set()

    assert [(each.check, each.state) for each in found] == [("slow", State.FAILED), ("quick", State.OK)]
    assert "no answer" in found[0].message


def test_run_checks__one_breaks__others_go_on() -> None:
    def breaks() -> Iterator[Finding]:
        raise SystemExit("no support for a database of that kind")

    found = run_checks({"broken": breaks, "well": lambda: [fine("well", "")]}, seconds=5)

    assert [each.state for each in found] == [State.FAILED, State.OK]
    assert "no support" in found[0].message


@pytest.mark.parametrize(
    ("apart", "state"), [(0, None), (1.5, None), (5, State.WARNING), (-5, State.WARNING), (60, State.FAILED)]
)
def test_clock__of_a_server__must_be_ours(apart: float, state: State | None) -> None:
    found = clock_finding("database", server=1_000_000 + apart, own=1_000_000)

    assert (found and found.state) == state


@pytest.mark.parametrize(
    ("log", "form", "state"), [("ON", "STATEMENT", State.FAILED), ("ON", "ROW", None), ("OFF", "STATEMENT", None)]
)
def test_binary_log__by_statement__fails(log: str, form: str, state: State | None) -> None:
    found = binary_log_finding("database", {"log_bin": log, "binlog_format": form})

    assert (found and found.state) == state


@pytest.mark.parametrize(("megabytes", "state"), [(50, State.FAILED), (500, State.WARNING), (5000, State.OK)])
def test_disk__little_room__is_told(tmp_path: Path, megabytes: int, state: State) -> None:
    assert disk_finding(tmp_path, free=megabytes * _MEGABYTE).state == state


def test_data_folder__as_it_should_be__is_fine(folder: Path) -> None:
    (folder / "keys").mkdir(mode=0o700)
    (folder / "keys" / "1.pem").touch(mode=0o600)

    assert [state for state, _ in _states(machine_checks(read_site()), "data folder")] == [State.OK]


def test_data_folder__open_to_others__is_told_with_the_secrets_in_it(folder: Path) -> None:
    folder.chmod(0o755)
    (folder / "keys").mkdir()
    (folder / "keys" / "1.pem").touch()
    (folder / "keys" / "1.pem").chmod(0o644)
    (folder / "demo.json").touch(mode=0o600)

    found = _states(machine_checks(read_site()), "data folder")

    assert [state for state, _ in found] == [State.WARNING, State.FAILED]
    assert found[1][1].startswith("keys/1.pem")


def test_data_folder__of_somebody_else__fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: folder.stat().st_uid + 1)

    assert _states(machine_checks(read_site()), "data folder")[0][0] is State.FAILED


def test_data_folder__not_there__is_told(folder: Path) -> None:
    folder.rmdir()

    assert _states(machine_checks(read_site()), "data folder")[0][0] is State.WARNING


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that anybody may enter, unlike those of tests."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_secret_files__readable_by_everybody__fail_one_by_one(reachable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(reachable)
    for name, mode in {
        "key": 0o644,
        "mail": 0o640,
        "webhooks.toml": 0o604,
        "bookwell.env": 0o644,
        ".env": 0o600,
    }.items():
        (reachable / name).touch()
        (reachable / name).chmod(mode)
    monkeypatch.delenv("BOOKWELL_SECRET_KEY", raising=False)
    monkeypatch.setenv("BOOKWELL_SECRET_KEY_FILE", str(reachable / "key"))
    monkeypatch.setenv("BOOKWELL_SMTP_URL_FILE", str(reachable / "mail"))
    monkeypatch.setenv("BOOKWELL_WEBHOOKS_FILE", str(reachable / "webhooks.toml"))

    found = _states(secret_file_checks(read_site()), "secret files")
    reachable.chmod(0o750)
    shut = _states(secret_file_checks(read_site()), "secret files")

    told = [line.partition(" ")[0].rpartition("/")[2] for _, line in found]
    assert told == ["bookwell.env", "key", "webhooks.toml"]
    assert {state for state, _ in found} == {State.FAILED}
    assert shut == [(State.OK, "5, none open to everybody")]


def test_secret_files__none_named__are_not_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert secret_file_checks(read_site()) == {}


def test_secret_files__the_current_folder_is_closed_to_us__are_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(Path, "is_file", refuse)  # tests run as root, whom nothing is closed to

    assert secret_file_checks(read_site()) == {}


def test_mail_password__over_plain_smtp__is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKWELL_SMTP_URL", "smtp://me:chosen-by-us@mail.example.org")

    found = _states(settings_checks(read_site()), "settings of notifier")

    assert [state for state, _ in found] == [State.WARNING, State.OK]
    assert "unencrypted" in found[0][1]


def test_clock__set_ahead__is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _states(machine_checks(read_site()), "clock")
    monkeypatch.setenv("BOOKWELL_CLOCK_OFFSET", "3600")

    assert before[0][0] is State.OK
    assert _states(machine_checks(read_site()), "clock") == [(State.WARNING, "set 3600 s ahead")]


def test_heartbeat__silent__fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    monkeypatch.setenv("BOOKWELL_HEARTBEAT_FILE", str(file))

    before = _states(machine_checks(read_site()), "heartbeat")
    file.touch()

    assert before[0][0] is State.FAILED
    assert _states(machine_checks(read_site()), "heartbeat")[0][0] is State.OK


def test_settings__refused__are_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKWELL_LIBRARY_PORT", "x")
    monkeypatch.setenv("BOOKWELL_TABLES_DECISION_SECRETS", "none")

    site = read_site()
    library, tables = (_states(settings_checks(site), f"settings of {name}") for name in ("library", "tables"))

    assert [(state, line.partition(":")[0]) for state, line in library] == [(State.FAILED, "BOOKWELL_LIBRARY_PORT")]
    assert "BOOKWELL_TABLES_DECISION_SECRETS" in [line.partition(":")[0] for _, line in tables]


def test_settings__a_file_of_theirs_is_missing__is_a_line_and_others_are_examined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BOOKWELL_SMTP_URL_FILE", "/nowhere")

    site = read_site()

    found = _states(settings_checks(site), "settings of notifier")
    assert [(state, line.partition(":")[0]) for state, line in found] == [(State.FAILED, "BOOKWELL_SMTP_URL_FILE")]
    assert _states(neighbour_checks(site), "webhooks")[0][0] is State.OK


def test_settings__a_variable_is_misspelt__is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _states(settings_checks(read_site()), "variables")
    monkeypatch.setenv("BOOKWELL_LIBRARY_PROT", "8013")

    found = _states(settings_checks(read_site()), "variables")

    assert [state for state, _ in before] == [State.OK]
    assert found == [(State.WARNING, "BOOKWELL_LIBRARY_PROT is read by nobody; BOOKWELL_LIBRARY_PORT is")]


def test_settings__weak_or_crowded_without_production__is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKWELL_SECRET_KEY", "short")
    monkeypatch.setenv("BOOKWELL_TABLES_DATABASE_URL", "sqlite:///x")
    monkeypatch.setenv("BOOKWELL_WORKERS", "4")

    found = _states(settings_checks(read_site()), "settings of tables")

    assert [state for state, _ in found] == [State.WARNING, State.WARNING, State.OK]
    assert [line.partition(":")[0] for _, line in found[:2]] == ["BOOKWELL_SECRET_KEY", "BOOKWELL_TABLES_DATABASE_URL"]


def test_site__production__has_what_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BOOKWELL_LIBRARY_DATABASE_URL", raising=False)
    monkeypatch.setenv("BOOKWELL_MODE", "production")
    monkeypatch.setenv("BOOKWELL_TABLES_DATABASE_URL", "postgresql://db/tables")

    site = read_site()

    assert set(site.settings) == {"tables", "background"}
    assert _states(broker_checks(site), "broker")[0][0] is State.WARNING


def test_site__secrets_in_words_of_others__are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKWELL_TABLES_DATABASE_URL", "postgresql://db:p%40ssword@db/tables")
    monkeypatch.setenv("BOOKWELL_SMS_AUTH", "Bearer abcdefgh")

    site = read_site()

    assert site.redact("db said: p@ssword or p%40ssword, abcdefgh") == "db said: … or …, …"


def test_webhooks__file_is_wrong__fails(folder: Path) -> None:
    before = _states(neighbour_checks(read_site()), "webhooks")
    (folder / "webhooks.toml").write_text('[endpoints.office]\nurl = "http://office.example"\n')

    after = _states(neighbour_checks(read_site()), "webhooks")

    assert (before[0][0], after[0][0]) == (State.OK, State.FAILED)


@pytest.mark.parametrize(("email", "states"), [("", [State.OK, State.WARNING]), ("staff@library.example", [State.OK])])
def test_webhooks__nobody_would_hear_that_one_is_gone__is_a_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch, email: str, states: list[State]
) -> None:
    monkeypatch.setenv("BOOKWELL_STAFF_EMAIL", email)
    monkeypatch.setenv("OFFICE_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    entry = '[endpoints.office]\nurl = "https://office.example"\nsecret_env = "OFFICE_SECRET"\n'
    (folder / "webhooks.toml").write_text(entry)

    told = _states(neighbour_checks(read_site()), "webhooks")

    assert [state for state, _ in told] == states


def test_partners__file_is_wrong__fails_line_by_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "partners.toml").write_text('[partners.x]\nprotocol = "smoke"\n[partners.y]\nprotocol = "flags"\n')
    monkeypatch.setenv("BOOKWELL_PARTNERS_CONFIG", str(folder / "partners.toml"))

    found = _states(neighbour_checks(read_site()), "partners")

    assert [state for state, _ in found] == [State.FAILED, State.FAILED]
