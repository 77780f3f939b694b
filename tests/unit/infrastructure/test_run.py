"""The runner's plan and its honesty about what ran."""

from pathlib import Path

import pytest

from tests.infrastructure.run import DATABASES, Counts, Session, counts_in, keep_bytecode, other_kinds, plan
from tests.infrastructure.servers import Server


def test_plan__nothing_chosen__runs_integration_on_every_database() -> None:
    sessions = plan(databases=DATABASES, paths=[], is_chaos=False)

    assert [session.database for session in sessions] == ["sqlite", "sqlite", "mariadb", "postgresql"]
    assert "tests/unit" in sessions[0].paths
    assert all("tests/integration" in session.paths for session in sessions[1:])


def test_plan__tables__run_on_the_databases_that_they_know() -> None:
    sessions = plan(databases=DATABASES, paths=[], is_chaos=True)

    without = {session.name: "tests/concurrency/tables" in session.without for session in sessions}
    assert without == {"any database": False, "sqlite": False, "mariadb": True, "postgresql": False}


def test_plan__paths_given__runs_just_them_on_each_chosen_database() -> None:
    sessions = plan(databases=["mariadb"], paths=["tests/integration/kit"], is_chaos=False)

    assert sessions == [Session("mariadb", "mariadb", ("tests/integration/kit",))]


def test_other_kinds__a_test_asks_for_a_broker__starts_it(tmp_path: Path) -> None:
    for kind in ("redis", "rabbitmq"):
        (tmp_path / f"test_{kind}.py").write_text(f"def test({kind}_url): ...")

    assert other_kinds([Session("s", "sqlite", (str(tmp_path),))]) == ["redis", "rabbitmq"]
    assert other_kinds([Session("s", "sqlite", (f"{tmp_path}/test_redis.py::test",))]) == ["redis"]


@pytest.mark.parametrize(
    ("suite", "status", "expected"),
    [
        ('tests="5" failures="0" errors="0" skipped="0"', 0, Counts(passed=5)),
        ('tests="5" failures="1" errors="1" skipped="1"', 1, Counts(passed=2, failed=2, skipped=1)),
        ('tests="5" failures="0" errors="0" skipped="0"', 3, Counts(passed=5, failed=1)),
        ('tests="0" failures="0" errors="0" skipped="0"', 5, Counts(failed=1)),
    ],
)
def test_counts_in__a_report__counts_every_outcome(tmp_path: Path, suite: str, status: int, expected: Counts) -> None:
    report = tmp_path / "report.xml"
    report.write_text(f"<testsuites><testsuite {suite}/></testsuites>")

    assert counts_in(report, status) == expected


@pytest.mark.parametrize(
    ("kind", "version", "told"),
    [
        ("mariadb", "10.11.19-MariaDB-0+deb12u1", "mariadb (10.11.19-MariaDB-0+deb12u1)"),
        ("mariadb", "9.7.4", "mysql (9.7.4)"),
        ("postgresql", "15.1", "postgresql (15.1)"),
    ],
)
def test_summary__a_server_was_given__tells_what_it_is(kind: str, version: str, told: str) -> None:
    assert str(Server(kind, "", version)) == told


def test_counts_in__the_session_died_without_a_report__is_a_failure(tmp_path: Path) -> None:
    assert counts_in(tmp_path / "missing.xml", -9) == Counts(failed=1)


def test_counts__several_sessions__add_up_to_one_line() -> None:
    total = sum([Counts(3, 0, 0), Counts(4, 1, 2)], Counts())

    assert str(total) == "7 passed, 1 failed, 2 skipped"


def test_keep_bytecode__none_may_lie_beside_sources__lies_elsewhere() -> None:
    forbidden = {"PYTHONDONTWRITEBYTECODE": "1"}
    chosen = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": "/somewhere"}
    allowed: dict[str, str] = {}

    for environment in (forbidden, chosen, allowed):
        keep_bytecode(environment)

    assert list(forbidden) == ["PYTHONPYCACHEPREFIX"]
    assert chosen == {"PYTHONPYCACHEPREFIX": "/somewhere"}
    assert allowed == {}
