"""A small library with someone in every role and a reservation in every state that an operation needs."""

from dataclasses import dataclass

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.accounts.models import MachineClient, User
from bookwell.library.accounts.rules import Role
from bookwell.library.accounts.services import TokenPair, open_session
from bookwell.library.accounts.tokens import signer
from bookwell.library.catalog.models import Book
from bookwell.library.circulation import services
from bookwell.library.circulation.models import Copy, Policy, Reservation
from bookwell.library.network.models import Branch, Closure
from tests.factories import BookFactory, BranchFactory, PolicyFactory, ReaderFactory, ReservationFactory, unique

__all__ = ["World", "build_world", "refresh_token_of", "token_of_client"]


@dataclass(frozen=True)
class World:
    """`reader` owns the reservations; `other` is a reader who owns none of them. `tokens` by the people's names."""

    reader: User
    other: User
    librarian: User
    admin: User
    tokens: dict[str, str]
    branch: Branch
    far_branch: Branch
    bare_branch: Branch
    closure: Closure
    policy: Policy
    branch_policy: Policy
    book: Book
    bare_book: Book
    unborrowed_book: Book
    copy: Copy
    waiting: Reservation
    assigned: Reservation
    to_ship: Reservation
    shipped: Reservation
    ready: Reservation
    borrowed: Reservation

    def headers(self, name: str | None) -> dict[str, str]:
        """The header of a person's token; none for nobody."""
        return {} if name is None else {"Authorization": f"Bearer {self.tokens[name]}"}


def refresh_token_of(user: User) -> str:
    """The refresh token of a fresh session."""
    return _tokens_of(user).refresh


def token_of_client() -> str:
    """An access token of a machine client that may do nothing."""
    now = clock.now()
    client = MachineClient.objects.create(client_id=unique("client"), name=unique("kiosk"), created_at=now)
    return signer().sign_for_client(client_id=client.pk, scopes=(), now=now)


def build_world() -> World:
    """Everything, through the services."""
    branch, far_branch = BranchFactory.main(), BranchFactory.create()
    policy = PolicyFactory.create(max_open_reservations=50, max_open_loans=50)
    reader, other = ReaderFactory.create(policy=policy), ReaderFactory.create(policy=policy)
    librarian = ReaderFactory.create(policy=policy, role=Role.LIBRARIAN)
    admin = ReaderFactory.create(policy=policy, role=Role.ADMIN)
    ReaderFactory.create(policy=policy, role=Role.ADMIN)
    people = {"reader": reader, "other": other, "librarian": librarian, "admin": admin}
    book = BookFactory.create(copies=0)
    copy = BookFactory.add_copy(BookFactory.create(copies=0))
    to_ship, shipped = (
        ReservationFactory.place(reader, BookFactory.create(), library=far_branch.code) for _ in range(2)
    )
    return World(
        **people,
        tokens={name: _tokens_of(user).access for name, user in people.items()},
        branch=branch,
        far_branch=far_branch,
        bare_branch=BranchFactory.create(),
        closure=Closure.objects.create(branch=branch, closed_on="2040-01-01", reason=unique("works")),
        policy=policy,
        branch_policy=Policy.objects.create(category_id=policy.category_id, branch=far_branch),
        book=book,
        bare_book=BookFactory.create(copies=0),
        unborrowed_book=BookFactory.create(copies=2),
        copy=copy,
        waiting=ReservationFactory.place(reader, book),
        assigned=ReservationFactory.place(reader, BookFactory.create()),
        to_ship=to_ship,
        shipped=ReservationFactory.step(services.ship, shipped),
        ready=ReservationFactory.ready(reader=reader),
        borrowed=ReservationFactory.borrowed(reader=reader),
    )


def _tokens_of(user: User) -> TokenPair:
    pair = run_in_transaction(lambda: open_session(user=user, now=clock.now()))
    assert pair is not None
    return pair
