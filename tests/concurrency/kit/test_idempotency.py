"""One effect and one answer for each Idempotency-Key, whoever asks how often at once."""

import threading
import time
from collections.abc import Callable

import pytest
from django.db import connection

from bookwell.kit.adapters.django.constraints import ReferenceChanged
from bookwell.kit.adapters.django.transactions import run_idempotent
from bookwell.kit.errors import Conflict, DomainError
from bookwell.kit.idempotency import Answer, IdempotencyKey, InFlight, KeyReused, TryAgain, fingerprint_of
from bookwell.kit.ids import new_id
from bookwell.library.plumbing.models import OutboxRow
from tests.concurrency.racing import race, refusals

pytestmark = pytest.mark.usefixtures("committed")

_INSERT = (
    "INSERT INTO idempotency_key (digest, fingerprint, status, headers, body, created_at) "
    "VALUES (%s, %s, 201, '{}', 'never seen', %s)"
)


class _Refused(Conflict):
    code = "test.refused"
    title = "Refused"


class _Effect:
    """A work that leaves one row for every time it was done."""

    def __init__(self) -> None:
        self.name = f"effect:{new_id()}"
        self.runs = 0

    def __call__(self) -> Answer:
        self.runs += 1
        OutboxRow.objects.create(
            event_id=new_id(), queue="q", type="t", version=1, aggregate=self.name, aggregate_version=self.runs,
            payload="", created_at=0, next_attempt_at=0, done_at=0,
        )  # fmt: skip
        return Answer(201, f'{{"run":{self.runs}}}'.encode(), {"Location": f"/{self.runs}/"})

    @property
    def number(self) -> int:
        return OutboxRow.objects.filter(aggregate=self.name).count()


def _key(*, fingerprint: str = "one", scope: str = "5 POST /x/") -> IdempotencyKey:
    return IdempotencyKey(scope=scope, key=new_id(), fingerprint=fingerprint)


def _render(error: DomainError) -> Answer:
    return Answer(409, error.code.encode(), {"Content-Type": "application/problem+json"})


def _ask(work: Callable[[], Answer], key: IdempotencyKey | None) -> Answer:
    return run_idempotent(work, key=key, render=_render)


def test_no_key__each_request_has_its_effect() -> None:
    effect = _Effect()

    answers = [_ask(effect, None) for _ in range(2)]

    assert effect.number == 2
    assert answers[0] != answers[1]


def test_same_key_again__the_first_answer_comes_back_whole() -> None:
    effect, key = _Effect(), _key()

    first, again = _ask(effect, key), _ask(effect, key)

    assert first == again == Answer(201, b'{"run":1}', {"Location": "/1/"})
    assert effect.number == 1


def test_same_key_again__the_work_would_be_refused_by_now__the_first_answer_comes_back() -> None:
    effect, key = _Effect(), _key()

    def work() -> Answer:
        if effect.number:
            raise _Refused
        return effect()

    assert _ask(work, key) == _ask(work, key) == Answer(201, b'{"run":1}', {"Location": "/1/"})
    assert effect.number == 1


def test_same_key_for_another_request__is_refused_and_does_nothing() -> None:
    effect, key = _Effect(), _key()
    _ask(effect, key)
    other = IdempotencyKey(key.scope, key.key, fingerprint="another")

    with pytest.raises(KeyReused):
        _ask(effect, other)

    assert effect.number == 1


def test_same_key_of_another_caller__is_another_key() -> None:
    effect, key = _Effect(), _key()
    _ask(effect, key)

    _ask(effect, IdempotencyKey("6 POST /x/", key.key, key.fingerprint))

    assert effect.number == 2


def test_a_refusal__is_kept_and_stays_the_answer() -> None:
    effect, key = _Effect(), _key()

    def refuse() -> Answer:
        effect()
        raise _Refused

    refused, later = _ask(refuse, key), _ask(effect, key)

    assert refused == later == Answer(409, b"test.refused", {"Content-Type": "application/problem+json"})
    assert effect.number == 0


@pytest.mark.parametrize("invitation", [TryAgain, ReferenceChanged])
def test_an_invitation_to_try_again__is_not_kept(invitation: type[DomainError]) -> None:
    effect, key = _Effect(), _key()

    def fail() -> Answer:
        effect()
        raise invitation

    with pytest.raises(invitation):
        _ask(fail, key)

    assert _ask(effect, key).status == 201
    assert effect.number == 1


def test_a_crash__keeps_neither_effect_nor_key() -> None:
    effect, key = _Effect(), _key()

    def crash() -> Answer:
        effect()
        raise LookupError

    with pytest.raises(LookupError):
        _ask(crash, key)

    assert effect.number == 0
    assert _ask(effect, key).status == 201
    assert effect.number == 1


def test_twenty_at_once__one_effect_and_equal_answers() -> None:
    effect, key = _Effect(), _key()

    outcomes = race([lambda: _ask(effect, key)] * 20)

    assert set(refusals(outcomes)) <= {InFlight}
    answers = [outcome.value for outcome in outcomes if not outcome.refusal]
    assert answers
    assert len({(answer.status, answer.body) for answer in answers}) == 1
    assert effect.number == 1


def test_twenty_at_once__all_refused__the_same_refusal() -> None:
    key = _key()

    def refuse() -> Answer:
        raise _Refused

    outcomes = race([lambda: _ask(refuse, key)] * 20)

    assert set(refusals(outcomes)) <= {InFlight}
    assert {outcome.value.body for outcome in outcomes if not outcome.refusal} == {b"test.refused"}


def test_the_first_is_slow__whoever_ends_first_answers_for_both() -> None:
    effect, key = _Effect(), _key()
    has_begun = threading.Event()

    def slowly() -> Answer:
        answer = effect()
        has_begun.set()
        time.sleep(0.5)
        return answer

    def duplicate() -> Answer:
        assert has_begun.wait(60)
        return _ask(effect, key)

    first, second = race([lambda: _ask(slowly, key), duplicate])

    assert first.value == second.value
    assert effect.number == 1


def test_the_first_crashes_while_others_wait__one_of_them_has_the_effect() -> None:
    effect, key = _Effect(), _key()
    is_kept = threading.Event()

    def lose() -> None:
        loser = connection.copy()
        loser.set_autocommit(False)
        with loser.cursor() as cursor:
            cursor.execute(_INSERT, (fingerprint_of(key.scope, key.key), key.fingerprint, 2**53))
        is_kept.set()
        time.sleep(0.3)
        loser.rollback()
        loser.close()

    def duplicate() -> Answer | None:
        assert is_kept.wait(60)
        return _ask(effect, key)

    outcomes = race([lose, *[duplicate] * 6])

    assert set(refusals(outcomes)) <= {InFlight}
    assert len({outcome.value.body for outcome in outcomes[1:] if not outcome.refusal and outcome.value}) == 1
    assert effect.number == 1
