"""Statements of the hot paths: written once with SQLAlchemy, compiled once, and sent together where that is possible.

On PostgreSQL they take no cursor and no round trip of their own (`pipeline`): what nobody waits for is sent with the
next question, or with the COMMIT. Elsewhere each is executed at once, as usual. Either way the database runs them in
the order in which they were given, an error arrives as SQLAlchemy's, and who listens to the engine hears of each.
"""

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple, TypeAlias

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq.abc import PGresult
from sqlalchemy import Connection, Dialect
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import Select
from sqlalchemy.sql.dml import UpdateBase

from bookwell.kit.adapters.sqlalchemy.pipeline import (
    BEGIN,
    COMMIT,
    ROLLBACK,
    Prepared,
    Sent,
    exchange,
    is_failed,
    is_idle,
)

__all__ = ["Asked", "Refuse", "Statement", "ask", "ask_together", "send_later", "send_waiting", "sending"]

Rows: TypeAlias = Sequence[Any]
Shape: TypeAlias = tuple[Callable[[Iterator[Any]], Any], Sequence[Callable[[bytes], Any]]]
Refuse: TypeAlias = Callable[[DBAPIError], Exception]
"""What an error of one statement means: the error itself, or another one to raise from it."""

_DIALECT: Dialect = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]  # SQLAlchemy's
_numbers = count(1)
_OUR_LISTENERS: Mapping[str, int] = {"before_cursor_execute": 1, "after_cursor_execute": 0}
"""`send_waiting`, which has nothing to do while statements are sent."""
_FORGOTTEN = "26000"
"""PostgreSQL's code for a prepared statement that it does not know, or not any more."""
_KNOWN, _WAITING = "bookwell_prepared", "bookwell_waiting"
_INTEGERS, _BOOLEAN, _TEXTS, _VOID = (20, 21, 23), 16, (25, 1042, 1043), 2278
_LOADERS: Mapping[int, Callable[[bytes], Any]] = {
    **dict.fromkeys(_INTEGERS, int),
    **dict.fromkeys(_TEXTS, bytes.decode),
    _BOOLEAN: b"t".__eq__,
    _VOID: bytes.decode,
}
"""By PostgreSQL's numbers of types; the only ones that our columns have."""


class Statement:
    """A statement that is sent often. What it is given is named as its columns or parameters are.

    It must not have lists among its parameters (`IN`), nor types that Python has to convert.
    """

    def __init__(self, core: Select[Any] | UpdateBase) -> None:
        self.core = core
        self.shape: Shape | None = None
        self._form_of = lru_cache(maxsize=64)(self._compile)

    def __call__(self, **values: Any) -> "Asked":
        """The statement with values."""
        return Asked(self, values)

    def prepared(self, names: tuple[str, ...]) -> "_Form":
        """What PostgreSQL is sent for values of these names."""
        return self._form_of(names)

    def _compile(self, names: tuple[str, ...]) -> "_Form":
        compiled: Any = self.core.compile(dialect=_DIALECT, column_keys=list(names))
        missing = [name for name, parameter in compiled.binds.items() if parameter.required and name not in names]
        if missing:
            raise KeyError(*missing)
        prepared = Prepared(b"bookwell_%d" % next(_numbers), compiled.string.encode())
        return _Form(prepared, compiled.string, tuple(compiled.positiontup or ()), dict(compiled.params))


class Asked(NamedTuple):
    """A statement with its values."""

    statement: Statement
    values: Mapping[str, Any]


class _Form(NamedTuple):
    """A statement compiled for PostgreSQL; `constants` are the values that it has by itself."""

    prepared: Prepared
    text: str
    parameters: tuple[str, ...]
    constants: Mapping[str, Any]


class _Waiting(NamedTuple):
    form: _Form
    values: Mapping[str, Any]
    refuse: Refuse


def ask(connection: Connection, asked: Asked) -> Rows:
    """The rows of a SELECT, behind all that was to be sent before."""
    return ask_together(connection, asked)[0]


def ask_together(connection: Connection, *asked: Asked) -> list[Rows]:
    """The rows of several SELECTs, each with a snapshot of its own, behind all that was to be sent before.

    Raises:
        DBAPIError: what a statement met, unless its `refuse` calls it something else.
    """
    if not _is_pipelined(connection):
        return [connection.execute(each.statement.core, each.values).all() for each in asked]
    results = _send(connection, [_waiting_of(each, _as_it_is) for each in asked])
    return [_rows_of(result, each.statement) for each, result in zip(asked, results[-len(asked) :], strict=True)]


def send_later(connection: Connection, asked: Asked, *, refuse: Refuse | None = None) -> None:
    """Let a statement whose rows nobody needs run in its turn: before the next one, or the COMMIT, at the latest.

    `refuse` says what its failing means. The transaction is one of `engines.writing`.
    """
    refuse = refuse or _as_it_is
    if _is_pipelined(connection):
        connection.info[_WAITING].append(_waiting_of(asked, refuse))
        return
    try:
        connection.execute(asked.statement.core, asked.values).close()
    except DBAPIError as error:
        _raise(error, refuse)


def send_waiting(connection: Connection, *_event: Any) -> None:
    """SQLAlchemy's hook before what is executed directly: what waits goes first."""
    if connection.info.get(_WAITING):
        _send(connection, [])


@contextmanager
def sending(connection: Connection) -> Iterator[None]:
    """Around a transaction's work: what still waits in the end is sent with the COMMIT."""
    if not _is_pipelined(connection):
        yield
        return
    kept = connection.info  # a connection that is lost tells nobody any more
    kept[_WAITING] = []
    try:
        yield
        if kept[_WAITING]:
            _send(connection, [], ending=[COMMIT])
    except BaseException:
        _roll_back(connection)
        raise
    finally:
        del kept[_WAITING]


def _is_pipelined(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


def _waiting_of(asked: Asked, refuse: Refuse) -> _Waiting:
    statement, values = asked
    return _Waiting(statement.prepared(tuple(values)), values, refuse)


def _send(connection: Connection, asked: Sequence[_Waiting], *, ending: Sequence[Sent] = ()) -> list[PGresult]:
    """Send what waits and what is asked; the results of both."""
    kept = connection.info
    waiting: list[_Waiting] | None = kept.get(_WAITING)
    steps = [*(waiting or ()), *asked]
    driver: Any = connection.connection.driver_connection
    beginning = [BEGIN] if waiting is not None and is_idle(driver) else []
    if waiting:
        waiting.clear()
    _tell(connection, steps, "before_cursor_execute")
    sent = [(step.form.prepared, _parameters_of(step)) for step in steps]
    try:
        results = _exchange(driver, kept.setdefault(_KNOWN, set()), [*beginning, *sent, *ending])
    except psycopg.Error as error:
        raise _error_of(connection, error) from error
    if is_failed(results[-1]):
        _raise_failed(connection, results, [_as_it_is] * len(beginning) + [step.refuse for step in steps])
    _tell(connection, steps, "after_cursor_execute")
    return results[len(beginning) : len(beginning) + len(steps)]


def _exchange(driver: Any, known: set[bytes], sent: Sequence[Sent]) -> list[PGresult]:
    """Where the driver had the server forget statements, prepared anew; within a transaction its runner does that."""
    results = exchange(driver, known, sent)
    if is_failed(results[-1]) and is_idle(driver) and error_from_result(results[-1]).sqlstate == _FORGOTTEN:
        known.clear()
        results = exchange(driver, known, sent)
    return results


def _parameters_of(step: _Waiting) -> list[Any]:
    form, values, _ = step
    return [values[name] if name in values else form.constants[name] for name in form.parameters]


def _known(connection: Connection) -> set[bytes]:
    known: set[bytes] = connection.info.setdefault(_KNOWN, set())
    return known


def _tell(connection: Connection, steps: Sequence[_Waiting], event: str) -> None:
    """Who listens to the engine's cursors hears of what goes without one."""
    listeners = getattr(connection.engine.dispatch, event)
    if len(listeners) > _OUR_LISTENERS[event]:
        for step in steps:
            for listen in listeners:
                listen(connection, None, step.form.text, step.values, None, False)  # as SQLAlchemy calls it


def _roll_back(connection: Connection) -> None:
    """By ourselves: the driver would have the server forget what it has prepared."""
    with suppress(Exception):  # the error that led here is the one to tell; SQLAlchemy rolls back what we could not
        driver: Any = connection.connection.driver_connection
        if not driver.closed and not is_idle(driver):
            exchange(driver, _known(connection), [ROLLBACK])


def _raise_failed(connection: Connection, results: Sequence[PGresult], refusals: Sequence[Refuse]) -> None:
    position = len(results) - 1
    error = _error_of(connection, error_from_result(results[-1]))
    _raise(error, refusals[position] if position < len(refusals) else _as_it_is)


def _error_of(connection: Connection, error: psycopg.Error) -> DBAPIError:
    """SQLAlchemy's error of the driver's, without what was sent; the pool forgets a connection that is lost."""
    driver: Any = connection.connection.driver_connection
    state = error.sqlstate or ""
    is_lost = driver.closed or driver.broken or state.startswith(("08", "57P0"))
    if is_lost:
        connection.invalidate(error)
    if state == _FORGOTTEN:
        _known(connection).clear()
    wrapped: Any = DBAPIError.instance(
        None, None, error, psycopg.Error, hide_parameters=True, connection_invalidated=is_lost, dialect=_DIALECT
    )
    return wrapped  # type: ignore[no-any-return]  # an Error becomes nothing else


def _raise(error: DBAPIError, refuse: Refuse) -> None:
    refusal = refuse(error)
    if refusal is error:
        raise error
    raise refusal from error


def _as_it_is(error: DBAPIError) -> Exception:
    return error


def _rows_of(result: PGresult, statement: Statement) -> Rows:
    shape = statement.shape or _shape_of(result)
    statement.shape = shape
    make, loaders = shape
    return [make(_loaded(result, row, loaders)) for row in range(result.ntuples)]


def _shape_of(result: PGresult) -> Shape:
    """Rows with their columns as attributes, as SQLAlchemy's have; and how to read each column."""
    columns = range(result.nfields)
    names = [(result.fname(each) or b"").decode() for each in columns]
    row: Any = namedtuple("Row", names)  # type: ignore[misc]  # noqa: PYI024 -- as asked
    return row._make, [_LOADERS[result.ftype(each)] for each in columns]


def _loaded(result: PGresult, row: int, loaders: Sequence[Callable[[bytes], Any]]) -> Iterator[Any]:
    for column, load in enumerate(loaders):
        value = result.get_value(row, column)
        yield None if value is None else load(value)
