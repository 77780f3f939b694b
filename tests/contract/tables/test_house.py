"""The restaurant's settings over HTTP: read whole, replaced whole, shown before it is done."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from starlette.testclient import TestClient

from bookwell.tables.app import create_app
from bookwell.tables.bookings.rules import State
from bookwell.tables.db import Database
from bookwell.tables.floor.queries import get_house
from bookwell.tables.floor.rules import House
from bookwell.tables.settings import TablesSettings
from tests.restaurant import NOW, a_table, an_order, booked, mails, tables_database
from tests.waiters import bearer

PATH = "/api/admin/settings/"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Database]:
    """A restaurant whose settings a test may change."""
    with tables_database(tmp_path) as database:
        yield database


@pytest.fixture
def staff(own: Database, tmp_path: Path) -> Iterator[TestClient]:
    app = create_app(TablesSettings(data_dir=tmp_path), database=own)
    with time_machine.travel(NOW, tick=False):
        yield TestClient(app, base_url="http://127.0.0.1:9000", headers=bearer(app.state.site))


def changed(client: TestClient, **values: Any) -> dict[str, Any]:
    document: dict[str, Any] = client.get(PATH).json()
    return {**document, **values}


def test_settings__are_read_whole_with_a_tag(staff: TestClient) -> None:
    answer = staff.get(PATH)

    assert House.model_validate(answer.json()) == House()
    assert answer.headers["Cache-Control"] == "private, no-cache"
    again = staff.get(PATH, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_settings__other_hours__show_whom_they_hit_and_then_tell_them(staff: TestClient, own: Database) -> None:
    order = an_order(own, a_table(own).id)
    closed_on_tuesdays = changed(staff, exceptions={"2030-05-07": []})

    shown = staff.put(PATH, json=closed_on_tuesdays, params={"dry_run": "true"})
    assert shown.status_code == 200, shown.text
    assert own.read(get_house) == House()
    assert booked(own, order.id).state == State.REQUESTED
    done = staff.put(PATH, json={**closed_on_tuesdays, "dry_run": False})

    assert [each["id"] for each in shown.json()["bookings"]] == [order.id]
    assert (shown.json()["dry_run"], done.json()["dry_run"]) == (True, False)
    assert shown.json()["settings"]["exceptions"] == {}
    assert done.json()["bookings"] == shown.json()["bookings"]
    assert done.json()["settings"]["exceptions"] == {"2030-05-07": []}
    assert booked(own, order.id).state == State.DECLINED
    assert mails(own, order.id)[-1].type == "booking.declined"
    assert staff.get(PATH).json() == done.json()["settings"]


def test_settings__another_zone__moves_no_booking(staff: TestClient, own: Database) -> None:
    order = an_order(own, a_table(own).id)

    answer = staff.put(PATH, json=changed(staff, time_zone="Europe/London"))

    assert answer.json()["counts"] == {"confirmed": 0, "requested": 0}
    assert booked(own, order.id).starts_at == order.starts_at


def test_settings__if_match__only_those_that_were_read(staff: TestClient, own: Database) -> None:
    tag = staff.get(PATH).headers["ETag"]
    first = staff.put(PATH, json=changed(staff, name="First"), headers={"If-Match": tag})
    second = staff.put(PATH, json=changed(staff, name="Second"), headers={"If-Match": tag})

    assert first.status_code == 200, first.text
    assert (second.status_code, second.json()["code"]) == (409, "settings.changed")
    assert own.read(get_house).name == "First"


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"name": " \t"}, "#/name"),
        ({"time_zone": "Mars/Olympus"}, "#/time_zone"),
        ({"time_zone": "localtime"}, "#/time_zone"),
        ({"time_zone": "right/Europe/Warsaw"}, "#/time_zone"),
        ({"opening": []}, "#/opening"),
        ({"opening": [[{"opens": "720", "closes": 1380}]] * 7}, "#/opening/0/0/opens"),
        ({"opening": [[{"opens": 720, "closes": 700}]] * 7}, "#/opening/0/0"),
        ({"slot_lengths": []}, "#/slot_lengths"),
        ({"buffer_minutes": -1}, "#/buffer_minutes"),
        ({"horizon_days": 1.5}, "#/horizon_days"),
        ({"exceptions": {"20301224": []}}, "#/exceptions/20301224/[key]"),
        ({"exceptions": {"2030-12-24T00:00:00": []}}, "#/exceptions/2030-12-24T00:00:00/[key]"),
        ({"staff_email": "at the bar"}, "#/staff_email"),
        ({"motto": "Eat"}, "#/motto"),
    ],
)
def test_settings__what_makes_no_sense__is_refused(
    staff: TestClient, own: Database, values: dict[str, Any], pointer: str
) -> None:
    answer = staff.put(PATH, json=changed(staff, **values))

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert own.read(get_house) == House()


def test_settings__dry_run_is_misspelt__nothing_is_done(staff: TestClient, own: Database) -> None:
    answer = staff.put(PATH, json=changed(staff, name="Other"), params={"dryrun": "true"})

    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "dryrun")
    assert own.read(get_house) == House()


def test_settings__one_is_left_out__is_refused(staff: TestClient, own: Database) -> None:
    document = changed(staff)
    del document["buffer_minutes"]

    answer = staff.put(PATH, json=document)

    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == ["#/buffer_minutes"]
    assert own.read(get_house) == House()
