import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.errors import DomainError
from bookwell.kit.pages import Position
from bookwell.library.audit.models import AuditEntry
from bookwell.library.circulation.models import Policy
from bookwell.library.network import errors, queries, services
from bookwell.library.network.models import LAST_POSITION, Branch, Closure
from bookwell.library.network.rules import is_open
from bookwell.library.network.services import BranchData
from tests.factories import PolicyFactory, ReaderFactory

pytestmark = pytest.mark.django_db

_ACTOR = 7
_TODAY = dt.date(2026, 3, 2)
_MAIN = BranchData("MAIN", "Main Library", "Europe/Warsaw", "PL", [5, 1, 2, 3, 4], 1)


def _create(data: BranchData = _MAIN) -> Branch:
    return run_in_transaction(lambda: services.create_branch(data=data, actor_id=_ACTOR))


def _close(branch: str, day: dt.date) -> Closure:
    return run_in_transaction(lambda: services.add_closure(branch=branch, closed_on=day, actor_id=_ACTOR))


def _change(branch: Branch, **changes: Any) -> Branch:
    return run_in_transaction(lambda: services.change_branch(branch_id=branch.pk, changes=changes, actor_id=_ACTOR))


def test_create_branch__is_kept_and_audited() -> None:
    branch = _create()

    assert queries.get_branch(branch.pk).open_weekdays == [1, 2, 3, 4, 5]
    entry = AuditEntry.objects.get(action="branch.created")
    assert (entry.actor_id, entry.object_id) == (_ACTOR, branch.pk)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (BranchData("MAIN", "Another"), errors.BranchCodeTaken),
        (BranchData("OTHER", "Main Library"), errors.BranchNameTaken),
        (BranchData("OTHER", "Another", time_zone="Mars/Olympus"), errors.TimeZoneUnknown),
        (BranchData("OTHER", "Another", country="QQ"), errors.CountryUnknown),
        (BranchData("OTHER", "Another", open_weekdays=[]), errors.WeekdaysInvalid),
    ],
)
def test_create_branch__wrong_or_taken__is_refused(data: BranchData, error: type[DomainError]) -> None:
    _create()

    with pytest.raises(error):
        _create(data)

    assert Branch.objects.count() == 1


def test_change_branch__nothing_differs__is_not_audited() -> None:
    branch = _create()

    _change(branch, name="Main Library", open_weekdays=[1, 2, 3, 4, 5, 5])

    assert not AuditEntry.objects.filter(action="branch.changed").exists()


def test_change_branch__every_weekday_closed__is_refused() -> None:
    branch = _create()

    with pytest.raises(errors.WeekdaysInvalid):
        _change(branch, open_weekdays=[])

    assert Branch.objects.get().open_weekdays == [1, 2, 3, 4, 5]


def test_delete_branch__somebodys_home__is_refused() -> None:
    branch = _create(BranchData("HOME", "Home"))
    ReaderFactory.create(home_branch=branch)

    with pytest.raises(errors.BranchInUse):
        run_in_transaction(lambda: services.delete_branch(branch_id=branch.pk, actor_id=_ACTOR))

    assert Branch.objects.filter(pk=branch.pk).exists()


def test_delete_branch__with_a_policy_of_its_own__is_refused() -> None:
    branch = _create()
    policy = Policy.objects.create(category=PolicyFactory.create().category, branch=branch)

    with pytest.raises(errors.BranchInUse):
        run_in_transaction(lambda: services.delete_branch(branch_id=branch.pk, actor_id=_ACTOR))

    assert Policy.objects.filter(pk=policy.pk).exists()
    assert Branch.objects.filter(pk=branch.pk).exists()


def test_delete_branch__unused__goes_with_its_closures() -> None:
    branch = _create()
    _close("MAIN", _TODAY)

    run_in_transaction(lambda: services.delete_branch(branch_id=branch.pk, actor_id=_ACTOR))

    assert not Closure.objects.exists()
    with pytest.raises(errors.BranchNotFound):
        queries.get_branch(branch.pk)


def test_add_closure__twice_on_a_date__is_refused() -> None:
    _create()
    _close("MAIN", _TODAY)

    with pytest.raises(errors.ClosureExists):
        _close("MAIN", _TODAY)

    assert Closure.objects.count() == 1


def test_change_closure__to_another_date__moves_it() -> None:
    _create()
    closure = _close("MAIN", _TODAY)
    tomorrow = _TODAY + dt.timedelta(days=1)

    run_in_transaction(
        lambda: services.change_closure(closure_id=closure.pk, closed_on=tomorrow, reason="Paint", actor_id=_ACTOR)
    )

    assert list(Closure.objects.values_list("closed_on", "reason")) == [(tomorrow, "Paint")]


def test_remove_closure__opens_the_branch_again() -> None:
    branch = _create()
    closure = _close("MAIN", _TODAY)

    run_in_transaction(lambda: services.remove_closure(closure_id=closure.pk, actor_id=_ACTOR))

    assert is_open(queries.get_branch_facts(branch_id=branch.pk, today=_TODAY).calendar, _TODAY)
    with pytest.raises(errors.ClosureNotFound):
        queries.get_closure(closure.pk)


def test_get_branch_facts__has_weekdays_holidays_and_closures_from_today_on_in_one_statement() -> None:
    branch = _create()
    _create(BranchData("OTHER", "Another", position=0))
    yesterday, tomorrow = _TODAY - dt.timedelta(days=3), _TODAY + dt.timedelta(days=1)
    _close("MAIN", yesterday)
    _close("MAIN", tomorrow)
    _close("OTHER", _TODAY)

    with CaptureQueriesContext(connection) as statements:
        facts = queries.get_branch_facts(branch_id=branch.pk, today=_TODAY)

    assert len(statements) == 1
    assert (facts.id, facts.code, facts.name) == (branch.pk, "MAIN", "Main Library")
    assert facts.calendar.closed_dates == {tomorrow}
    assert facts.calendar.time_zone == "Europe/Warsaw"
    assert is_open(facts.calendar, _TODAY)
    assert not is_open(facts.calendar, dt.date(2026, 11, 11))


def test_find_branch_facts__code_of_one_is_name_of_another__prefers_the_code() -> None:
    _create(BranchData("A", "B", position=0))
    by_code = _create(BranchData("B", "A", position=1))

    found = queries.find_branch_facts(name_or_code="B", today=_TODAY)

    assert found is not None
    assert found.id == by_code.pk
    assert queries.find_branch_facts(name_or_code="C", today=_TODAY) is None


def test_get_default_branch_facts__is_the_first_by_position() -> None:
    with pytest.raises(errors.BranchNotFound):
        queries.get_default_branch_facts(today=_TODAY)
    _create(BranchData("LATER", "Later", position=9))
    first = _create()

    assert queries.get_default_branch_facts(today=_TODAY).id == first.pk


def test_create_branch__without_a_position__comes_last() -> None:
    first = _create(BranchData("FIRST", "First", position=3))

    others = [_create(BranchData("SECOND", "Second")), _create(BranchData("THIRD", "Third"))]

    assert [branch.position for branch in others] == [4, 5]
    assert queries.get_default_branch_facts(today=_TODAY).id == first.pk


def test_create_branch__there_is_no_place_behind_the_last__comes_beside_it() -> None:
    _create(BranchData("FIRST", "First", position=LAST_POSITION))

    assert _create(BranchData("SECOND", "Second")).position == LAST_POSITION


def test_change_branch__without_a_position__stays_in_place() -> None:
    branch = _create(BranchData("FIRST", "First", position=3))

    changed = _change(branch, name="Another", position=None)

    assert (changed.name, changed.position) == ("Another", 3)


def test_list_branches__behind_a_position__goes_on_there_and_back() -> None:
    branches = [_create(BranchData(f"B{n}", f"Branch {n}", position=n // 2)) for n in range(5)]
    key = (branches[2].position, branches[2].pk)

    assert queries.list_branches(Position(), limit=10) == branches
    assert queries.list_branches(Position(key), limit=1) == branches[3:]
    assert queries.list_branches(Position(key, is_backward=True), limit=9) == [branches[1], branches[0]]
