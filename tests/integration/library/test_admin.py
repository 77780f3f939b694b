"""Django's admin for staff: under the strict policy, over the services."""

import re
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin import site
from django.test import Client

from bookwell.kit import clock
from bookwell.library.accounts.rules import Role
from bookwell.library.audit.models import AuditEntry
from bookwell.library.circulation.models import Block
from bookwell.library.network.models import Branch, Closure
from tests.factories import BookFactory, BranchFactory, PolicyFactory, ReaderFactory, ReservationFactory

pytestmark = pytest.mark.django_db


def client_of(role: Role) -> Client:
    client = Client()
    client.force_login(ReaderFactory.create(role=role))
    return client


def a_branch(**changes: str) -> dict[str, str]:
    branch = {"code": "north", "name": "North", "time_zone": "UTC", "open_weekdays": "[1, 2]", "position": "3"}
    return branch | changes


def test_admin__nobody__is_sent_to_the_login_page() -> None:
    response = Client().get("/admin/")

    assert (response.status_code, response["Location"]) == (302, "/admin/login/?next=/admin/")


def test_admin__reader__does_not_get_in() -> None:
    assert client_of(Role.READER).get("/admin/").status_code == 302


@pytest.mark.parametrize("path", ["account/emailaddress", "mfa/authenticator", "auth/group"])
def test_admin__tables_of_libraries__cannot_be_changed_past_the_services(path: str) -> None:
    client = client_of(Role.ADMIN)

    assert client.get(f"/admin/{path}/").status_code == 404
    assert client.get(f"/admin/{path}/add/").status_code == 404


def keeps_to_the_policy(response: Any) -> bool:
    """No script or style that a policy without `unsafe-inline` would stop."""
    page = response.content.decode()
    scripts = re.findall(r"<script([^>]*)>", page)
    return (
        "unsafe" not in response["Content-Security-Policy"]
        and response["Content-Security-Policy"].startswith("default-src 'self';")
        and all("src=" in script or "application/json" in script for script in scripts)
        and not re.search(r"<style|\sstyle=\"|\son[a-z]+=\"", page)
    )


@pytest.mark.parametrize("path", ["/admin/login/?next=/admin/", "/api/docs"])
def test_page__for_anyone__keeps_to_the_policy(path: str) -> None:
    response = Client().get(path, headers={"Accept": "text/html"})

    assert response.status_code == 200
    assert keeps_to_the_policy(response)


def test_pages__for_an_admin__keep_to_the_policy() -> None:
    ReservationFactory.place(ReaderFactory.create(), BookFactory.create())
    client = client_of(Role.ADMIN)
    names = [model._meta.label_lower.replace(".", "/") for model in site._registry]  # noqa: SLF001 -- Django's way
    assert {"audit/auditentry", "plumbing/outboxrow", "network/branch", "circulation/policy"} <= set(names)

    for path in ["/admin/", "/admin/network/branch/add/", *(f"/admin/{name}/" for name in names)]:
        response = client.get(path)
        assert (path, response.status_code) == (path, 200)
        assert keeps_to_the_policy(response), path


@pytest.mark.parametrize("path", ["/admin/audit/auditentry/", "/admin/plumbing/outboxrow/"])
def test_trail__is_searched_but_never_changed(path: str) -> None:
    ReservationFactory.place(ReaderFactory.create(), BookFactory.create())
    client = client_of(Role.ADMIN)

    assert client.get(f"{path}add/").status_code == 403
    assert client.post(f"{path}{AuditEntry.objects.latest('id').pk}/delete/", {"post": "yes"}).status_code == 403


def test_branch__added_and_changed__is_audited() -> None:
    client = client_of(Role.ADMIN)

    client.post("/admin/network/branch/add/", a_branch())
    branch = Branch.objects.get(code="north")
    client.post(f"/admin/network/branch/{branch.pk}/change/", a_branch(name="Far North"))

    branch.refresh_from_db()
    assert branch.name == "Far North"
    actions = AuditEntry.objects.filter(object_type="branch", object_id=branch.pk).order_by("id")
    assert [entry.action for entry in actions] == ["branch.created", "branch.changed"]


def test_branch__a_new_one__is_offered_the_last_place() -> None:
    last = BranchFactory.create(position=17)

    page = client_of(Role.ADMIN).get("/admin/network/branch/add/")

    assert page.context["adminform"].form["position"].value() == last.position + 1


def test_branch__rule_refuses__is_told_and_nothing_changes() -> None:
    client = client_of(Role.ADMIN)
    entries = AuditEntry.objects.count()

    response = client.post("/admin/network/branch/add/", a_branch(time_zone="Mars/Olympus"))

    page = response.content.decode()
    assert response.status_code == 200
    assert "time zone" in page
    assert 'value="Mars/Olympus"' in page  # to be mended, and the rest need not be typed again
    assert 'value="North"' in page
    assert not Branch.objects.filter(code="north").exists()
    assert AuditEntry.objects.count() == entries


@pytest.mark.parametrize("weekdays", ["5", "[[1]]", '[1, "2"]'])
def test_branch__weekdays_of_another_shape__are_refused(weekdays: str) -> None:
    response = client_of(Role.ADMIN).post("/admin/network/branch/add/", a_branch(open_weekdays=weekdays))

    assert response.status_code == 200
    assert "errornote" in response.content.decode()
    assert not Branch.objects.filter(code="north").exists()


def test_branch__in_use__is_not_deleted() -> None:
    branch = BranchFactory.create()
    BookFactory.create(branch=branch)

    client_of(Role.ADMIN).post(f"/admin/network/branch/{branch.pk}/delete/", {"post": "yes"})

    assert Branch.objects.filter(pk=branch.pk).exists()


def policy() -> tuple[str, int]:
    return "circulation/policy", PolicyFactory.create().pk


def branch() -> tuple[str, int]:
    return "network/branch", BranchFactory.create().pk


def closure() -> tuple[str, int]:
    made = Closure.objects.create(branch=BranchFactory.create(), closed_on="2031-05-01", reason="inventory")
    return "network/closure", made.pk


def user() -> tuple[str, int]:
    return "accounts/user", ReaderFactory.create().pk


def category() -> tuple[str, str]:
    return "accounts/readercategory", str(ReaderFactory.create().category_id)


def block() -> tuple[str, int]:
    made = Block.objects.create(reader=ReaderFactory.create(), reason="unpaid", created_at=clock.now())
    return "circulation/block", made.pk


@pytest.mark.parametrize(
    ("term", "value"),
    [
        ("loan_days", 366),
        ("loan_days", 0),
        ("pickup_days", 366),
        ("max_open_loans", 1001),
        ("reminder_days", 99_999_999),
    ],
)
def test_policy__a_term_out_of_range__is_refused(term: str, value: int) -> None:
    model, key = policy()
    client = client_of(Role.ADMIN)
    before = rows_of(model)
    fields = client.get(f"/admin/{model}/{key}/change/").context["adminform"].form.initial

    answer = client.post(
        f"/admin/{model}/{key}/change/", {name: now for name, now in fields.items() if now} | {term: value}
    )

    assert answer.status_code == 200
    assert term in answer.context["adminform"].form.errors
    assert rows_of(model) == before


def reservation() -> tuple[str, int]:
    return "circulation/reservation", ReservationFactory.place(ReaderFactory.create(), BookFactory.create()).pk


@pytest.mark.parametrize("make", [policy, branch, closure, user, category, block, reservation])
def test_page_of_one__is_named_for_people(make: Any) -> None:
    model, key = make()

    page = client_of(Role.ADMIN).get(f"/admin/{model}/{key}/change/")

    assert page.status_code == 200
    assert " object (" not in page.content.decode()


def test_instants__are_shown_with_their_zone() -> None:
    model, key = reservation()

    page = client_of(Role.ADMIN).get(f"/admin/{model}/{key}/change/").content.decode()

    assert re.search(r"\d\d:\d\d UTC<", page)


def test_front_page__leads_to_deliveries_beside_what_can_be_edited_and_to_no_page_that_is_missing() -> None:
    page = client_of(Role.ADMIN).get("/admin/").content.decode()

    link = '<a class="section" href="/admin/deliveries/">'
    assert link in page
    before = page[page.index('id="content-main"') : page.index(link)]
    assert before.count("<div") == before.count("</div>") + 1  # what is open there is its own, and the column's
    assert 'href="/"' not in page


@pytest.mark.parametrize(
    ("make", "may_view"),
    [(policy, True), (branch, True), (closure, True), (block, True), (user, False), (category, False)],
)
def test_terms_places_and_people__librarian__may_look_at_most(make: Any, may_view: bool) -> None:
    model, key = make()
    client = client_of(Role.LIBRARIAN)
    entries, rows = AuditEntry.objects.count(), rows_of(model)

    page = client.get(f"/admin/{model}/{key}/change/")
    answers = [
        client.post(f"/admin/{model}/{path}", {"post": "yes"}) for path in ("add/", f"{key}/change/", f"{key}/delete/")
    ]

    assert page.status_code == (200 if may_view else 403)
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert rows_of(model) == rows
    assert AuditEntry.objects.count() == entries


@pytest.mark.parametrize("make", [policy, branch, closure, user, category])
def test_terms_places_and_people__admin__may_change(make: Any) -> None:
    model, key = make()

    page = client_of(Role.ADMIN).get(f"/admin/{model}/{key}/change/")

    assert page.status_code == 200
    assert b'name="_save"' in page.content


def rows_of(model: str) -> list[dict[str, Any]]:
    return list(apps.get_model(model.replace("/", ".")).objects.order_by("pk").values())
