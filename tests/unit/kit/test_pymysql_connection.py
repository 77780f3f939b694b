"""Our connection reads what PyMySQL's reads: both are given the same bytes, in whatever pieces they arrive."""

import datetime as dt
import io
import re
import ssl
from decimal import Decimal
from typing import Any

import pytest
from pymysql.connections import Connection as StockConnection
from pymysql.constants import FIELD_TYPE
from pymysql.err import IntegrityError, OperationalError

from bookwell.kit.adapters.django.mysql.pymysql_connection import Connection

_UTF8, _BINARY = 45, 63
_MORE_FOLLOW = 0x0008
_DUPLICATE = b"\xff" + (1062).to_bytes(2, "little") + b"#23000Duplicate entry 'x' for key 'once'"


class _Socket:
    """What a server has answered; it comes in pieces of a size."""

    def __init__(self, answer: bytes, *, piece: int = 1 << 20) -> None:
        self._left, self._piece = io.BytesIO(answer), piece
        self.sent = b""

    def recv(self, most: int) -> bytes:
        return self._left.read(min(most, self._piece))

    def sendall(self, content: bytes) -> None:
        self.sent += content

    def settimeout(self, _seconds: object) -> None:
        return None

    def close(self) -> None:
        return None


def _text(content: bytes) -> bytes:
    for mark, size, limit in ((b"", 1, 251), (b"\xfc", 2, 1 << 16), (b"\xfd", 3, 1 << 24)):
        if len(content) < limit:
            return mark + len(content).to_bytes(size, "little") + content
    raise AssertionError


def _column(name: str, kind: int, charset: int = _BINARY) -> bytes:
    names = [b"def", b"library", b"b", b"book", name.encode(), name.encode()]
    return b"".join(map(_text, names)) + b"\x0c" + charset.to_bytes(2, "little") + bytes(4) + bytes([kind]) + bytes(5)


_COLUMNS = (
    _column("id", FIELD_TYPE.LONGLONG),
    _column("title", FIELD_TYPE.VAR_STRING, _UTF8),
    _column("cover", FIELD_TYPE.BLOB),
    _column("due_at", FIELD_TYPE.DATETIME),
    _column("price", FIELD_TYPE.NEWDECIMAL),
    _column("weight", FIELD_TYPE.DOUBLE),
)
_ROWS: tuple[tuple[bytes | None, ...], ...] = (
    (b"7", "Żółw".encode(), b"\x00\xff", b"2026-01-05 09:00:00.000001", b"12.50", b"0.25"),
    (b"-1", b"", None, None, None, None),
    (b"9223372036854775807", b"t" * 250, b"c" * 251, b"2026-01-05 09:00:00", b"0", b"1e3"),
    (None, b"t" * 70_000, b"c" * 300, None, b"-1", None),
)


def _rows(*rows: tuple[bytes | None, ...], columns: tuple[bytes, ...] = _COLUMNS, status: int = 2) -> list[bytes]:
    packed = [b"".join(b"\xfb" if value is None else _text(value) for value in row) for row in rows]
    end = b"\xfe\x00\x00" + status.to_bytes(2, "little")
    return [bytes([len(columns)]), *columns, b"\xfe\x00\x00\x02\x00", *packed, end]


def _done(*, changed: int = 1, insert_id: int = 0, status: int = 2) -> list[bytes]:
    numbers = b"".join(bytes([n]) if n < 251 else b"\xfd" + n.to_bytes(3, "little") for n in (changed, insert_id))
    return [b"\x00" + numbers + status.to_bytes(2, "little") + bytes(2)]


def _answer(*packets: bytes) -> bytes:
    return b"".join(
        len(packet).to_bytes(3, "little") + bytes([number & 0xFF]) + packet for number, packet in enumerate(packets, 1)
    )


def _connected(kind: Any, answer: bytes, *, piece: int = 1 << 20) -> Any:
    connection = kind(defer_connect=True)
    connection._sock = _Socket(answer, piece=piece)  # noqa: SLF001
    connection._rfile = io.BytesIO(answer)  # noqa: SLF001
    connection._closed, connection._current_timeout, connection.server_status = False, None, 2  # noqa: SLF001
    return connection


def _read(connection: Any) -> list[Any]:
    """All that a cursor tells of every result."""
    cursor = connection.cursor()
    cursor.execute("SELECT")
    told = []
    while True:
        told.append((cursor.fetchall(), cursor.description, cursor.rowcount, cursor.lastrowid))
        if not cursor.nextset():
            return told


_SEVERAL = _answer(
    *_done(status=2 | _MORE_FOLLOW),
    *_rows(*_ROWS, status=2 | _MORE_FOLLOW),
    *_done(changed=3, insert_id=70_000, status=2 | _MORE_FOLLOW),
    *_rows((b"1", b"one"), columns=_COLUMNS[:2], status=2 | _MORE_FOLLOW),
    *_rows(columns=_COLUMNS[:1]),
)


@pytest.mark.parametrize("piece", [1, 7, 100, 1 << 20])
def test_cursor__several_results__reads_what_pymysql_reads(piece: int) -> None:
    told = _read(_connected(Connection, _SEVERAL, piece=piece))

    assert told == _read(_connected(StockConnection, _SEVERAL))
    assert told[1][0][0] == (
        7,
        "Żółw",
        b"\x00\xff",
        dt.datetime.fromisoformat("2026-01-05 09:00:00.000001"),
        Decimal("12.50"),
        0.25,
    )


def test_run__several_statements__answers_each() -> None:
    connection = _connected(Connection, _SEVERAL)

    answers = list(connection.run("INSERT %s; SELECT %s", (1, "it's")))

    assert [(len(answer.rows), answer.insert_id) for answer in answers] == [
        (0, 0),
        (4, None),
        (0, 70_000),
        (1, None),
        (0, None),
    ]
    assert connection._sock.sent.endswith(b"INSERT 1; SELECT 'it\\'s'")  # noqa: SLF001


def test_run__row_begins_like_an_end__is_a_row() -> None:
    title = b"t" * 20
    *head, end = _rows(columns=_COLUMNS[1:2])
    connection = _connected(Connection, _answer(*head, b"\xfe" + len(title).to_bytes(8, "little") + title, end))

    answer = next(iter(connection.run("SELECT", ())))

    assert answer.rows == ((title.decode(),),)


def test_run__columns_were_seen_before__reads_them_by_what_they_are_now() -> None:
    alike = (*_COLUMNS[:2], _column("name", FIELD_TYPE.VAR_STRING, _UTF8))
    other = (*_COLUMNS[:2], _column("name", FIELD_TYPE.LONG))
    answers = [_rows((b"1", b"a", b"2"), columns=columns) for columns in (alike, other, alike, alike)]
    connection = _connected(Connection, b"".join(_answer(*answer) for answer in answers), piece=_length(answers[0]))

    read = [next(iter(connection.run("SELECT", ()))).rows for _ in answers]

    assert read == [((1, "a", "2"),), ((1, "a", 2),), ((1, "a", "2"),), ((1, "a", "2"),)]


def _length(packets: list[bytes]) -> int:
    return len(_answer(*packets))


@pytest.mark.parametrize("before", [[], _rows(_ROWS[0])[:-1], _done(status=2 | _MORE_FOLLOW)])
def test_run__the_server_refuses__is_its_error(before: list[bytes]) -> None:
    connection = _connected(Connection, _answer(*before, _DUPLICATE))

    with pytest.raises(IntegrityError, match="'once'") as refused:
        list(connection.run("INSERT", ()))

    assert refused.value.args[0] == 1062


@pytest.mark.parametrize("left", [0, 3, 30])
def test_run__the_server_goes_away__is_a_lost_connection(left: int) -> None:
    connection = _connected(Connection, _answer(*_rows(*_ROWS))[:left])

    with pytest.raises(OperationalError) as lost:
        list(connection.run("SELECT", ()))

    assert lost.value.args[0] == 2013
    assert connection._sock is None  # noqa: SLF001


def test_run__an_answer_was_left__is_no_answer_to_this() -> None:
    connection = _connected(Connection, _answer(*_done()) + _answer(*_done(changed=2)))
    list(connection.run("UPDATE", ()))

    with pytest.raises(OperationalError, match="before the question"):
        list(connection.run("UPDATE", ()))


def test_run__packet_of_another_number__is_refused() -> None:
    answer = bytearray(_answer(*_rows(_ROWS[0])))
    answer[3] = 2
    connection = _connected(Connection, bytes(answer))

    with pytest.raises(Exception, match="sequence number wrong"):
        list(connection.run("SELECT", ()))


def test_run__values_of_every_kind__are_written_as_pymysql_writes_them() -> None:
    values = (None, True, 1, 1.5, "a'b\\c", "a'\0'", b"\x00'", dt.datetime(2026, 1, 5, 9, tzinfo=dt.UTC))
    connection = _connected(Connection, _answer(*_done()))
    stock = _connected(StockConnection, b"")

    list(connection.run("; ".join(["%s"] * len(values)), values))

    wanted = "; ".join(str(stock.escape(value)) for value in values)
    assert connection._sock.sent[5:].decode() == wanted  # noqa: SLF001


def test_run__texts__end_at_their_own_quote() -> None:
    texts = ("it's", "\\'", "\\", 'a line\nand "another"', "%s ?")
    connection = _connected(Connection, _answer(*_done()))

    list(connection.run(" ".join(["%s"] * len(texts)), texts))

    sent = connection._sock.sent[5:].decode()  # noqa: SLF001
    literals = re.findall(r"'((?:[^'\\]|\\.)*)'", sent, re.DOTALL)
    assert [re.sub(r"\\(.)", r"\1", literal) for literal in literals] == list(texts)


def test_tls__nothing_is_to_be_verified__costs_one_context_and_never_the_systems_certificates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ssl, "create_default_context", None)

    first, second = Connection(defer_connect=True), Connection(defer_connect=True)

    assert first.ctx is second.ctx
    assert (first.ctx.verify_mode, first.ctx.check_hostname) == (ssl.CERT_NONE, False)
    assert not first._ssl_required  # noqa: SLF001


def test_tls__something_is_to_be_verified__is_pymysqls_affair() -> None:
    ours = Connection(defer_connect=True, ssl_verify_cert=True, ssl_verify_identity=True)
    stock: Any = StockConnection(defer_connect=True, ssl_verify_cert=True, ssl_verify_identity=True)

    assert ours.ctx is not Connection(defer_connect=True).ctx
    assert (ours.ctx.verify_mode, ours.ctx.check_hostname) == (stock.ctx.verify_mode, stock.ctx.check_hostname)
    assert ours.ctx.get_ca_certs() == stock.ctx.get_ca_certs()
    assert ours._ssl_required  # noqa: SLF001
