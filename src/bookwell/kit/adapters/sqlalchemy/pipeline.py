"""PostgreSQL's pipeline: several prepared statements in one message, all of their results in another.

Below the driver's cursors, on the driver's binding of libpq: each cursor costs more processor time than a short
statement does. The server still runs statement by statement, each with a snapshot of its own; what fails stops the
rest. A statement is parsed once a connection and planned by the server's own judgement.
"""

import select
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from psycopg import Connection, OperationalError
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

__all__ = ["BEGIN", "COMMIT", "ROLLBACK", "Prepared", "Sent", "exchange", "is_failed", "is_idle"]

_TEXT_OF_BOOLEAN = {False: b"f", True: b"t"}


class Prepared(NamedTuple):
    """A statement as the server is to know it, with `$1`, `$2`… for its parameters."""

    name: bytes
    text: bytes


Sent = tuple[Prepared, Sequence[Any]]
"""A statement and its parameters: numbers, texts, truth values or None."""

BEGIN: Sent = (Prepared(b"bookwell_begin", b"BEGIN ISOLATION LEVEL READ COMMITTED"), ())
COMMIT: Sent = (Prepared(b"bookwell_commit", b"COMMIT"), ())
ROLLBACK: Sent = (Prepared(b"bookwell_rollback", b"ROLLBACK"), ())


def exchange(driver: "Connection[Any]", known: set[bytes], sent: Sequence[Sent]) -> list[PGresult]:
    """The results of statements up to the first that fails, whose result is the last.

    `known` are the names that the connection's server has prepared; it grows.

    Raises:
        OperationalError: if the connection is lost; it is closed then, as after anything else that comes between.
        TypeError, ValueError: for a parameter that is no number, text or truth value, and for a text with NUL in it.
    """
    values = [[_DUMPERS.get(type(value), _other)(value) for value in parameters] for _, parameters in sent]
    pgconn = driver.pgconn
    try:
        pgconn.enter_pipeline_mode()
        fresh = _send(pgconn, known, [statement for statement, _ in sent], values)
        results = _receive(pgconn)
        if pgconn.status == ConnStatus.OK:
            pgconn.exit_pipeline_mode()
    except BaseException:
        driver.close()  # nobody knows what it would answer next
        raise
    return _without_preparations(results, fresh, known)


def is_failed(result: PGresult) -> bool:
    """Whether a statement failed."""
    return result.status == ExecStatus.FATAL_ERROR


def is_idle(driver: "Connection[Any]") -> bool:
    """Whether no transaction is open."""
    return driver.pgconn.transaction_status == TransactionStatus.IDLE


def _send(
    pgconn: PGconn, known: set[bytes], statements: Sequence[Prepared], values: Sequence[Sequence[bytes | None]]
) -> list[bytes]:
    """For each result that will come: the name of the statement that it tells to be prepared, or nothing."""
    coming: list[bytes] = []
    for (name, text), parameters in zip(statements, values, strict=True):
        if name not in known and name not in coming:
            pgconn.send_prepare(name, text)
            coming.append(name)
        pgconn.send_query_prepared(name, parameters)
        coming.append(b"")
    pgconn.pipeline_sync()
    return coming


def _receive(pgconn: PGconn) -> list[PGresult]:
    """All results, in turn; where the connection ends, those that came before if one of them says why."""
    results: list[PGresult] = []
    try:
        _flush(pgconn)
        while (result := _next_result(pgconn)).status != ExecStatus.PIPELINE_SYNC:
            results.append(result)
    except OperationalError:
        if not results or not is_failed(results[-1]):
            raise
    return results


def _flush(pgconn: PGconn) -> None:
    """What is answered meanwhile is read, or both sides would wait for room."""
    if pgconn.flush():
        socket = select.poll()
        socket.register(pgconn.socket, select.POLLIN | select.POLLOUT)
        while pgconn.flush():
            socket.poll()
            pgconn.consume_input()


def _next_result(pgconn: PGconn) -> PGresult:
    """Between the results of two statements there is none."""
    while True:
        if pgconn.is_busy():
            _read(pgconn)
        result = pgconn.get_result()
        if result is not None:
            return result
        if pgconn.status != ConnStatus.OK:
            raise OperationalError("the connection is lost")


def _read(pgconn: PGconn) -> None:
    socket = select.poll()
    socket.register(pgconn.socket, select.POLLIN)
    while pgconn.is_busy():
        socket.poll()
        pgconn.consume_input()


def _without_preparations(results: Sequence[PGresult], coming: Sequence[bytes], known: set[bytes]) -> list[PGresult]:
    answers: list[PGresult] = []
    for result, name in zip(results, coming, strict=False):  # of a connection that was lost, some are missing
        if is_failed(result):
            return [*answers, result]
        if name:
            known.add(name)
        else:
            answers.append(result)
    return answers


def _text(value: str) -> bytes:
    """Libpq would end a text at its first NUL."""
    if "\0" in value:
        raise ValueError("PostgreSQL keeps no NUL")
    return value.encode()


def _other(value: object) -> bytes:
    if isinstance(value, str):  # a member of an enumeration
        return _text(value)
    raise TypeError(f"{type(value).__name__} is none of a statement's parameters")


_DUMPERS: Mapping[type, Callable[[Any], bytes | None]] = MappingProxyType(
    {str: _text, int: b"%d".__mod__, bool: _TEXT_OF_BOOLEAN.__getitem__, type(None): lambda _none: None}
)
"""Parameters as texts."""
