"""PyMySQL's connection, which reads what the server answers in a fraction of its time.

PyMySQL asks its file for four bytes, then for a packet, and takes every column's description apart in every result,
all in Python. Here whatever has arrived is read at once, and descriptions that were seen before are skipped as they
stand. What is sent, time-outs, errors and all that is rare stay PyMySQL's. That is why this goes by its inner names;
tests compare the two.
"""

import functools
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from pymysql import connections
from pymysql.constants import COMMAND, CR, SERVER_STATUS
from pymysql.converters import escape_string
from pymysql.err import NotSupportedError, OperationalError, raise_mysql_exception
from pymysql.protocol import MysqlPacket

__all__ = ["Answer", "Connection"]

# The stubs know neither's inner names.
_Connection: Any = connections.Connection
_Result: Any = connections.MySQLResult

_PIECE = 16_384
"""Bytes to ask the socket for."""
_SHORTEST = 5
"""Bytes of the shortest packet that begins anything: three of its length, its number, and one of content."""
_LONGEST_PACKET = 0xFFFFFF
"""A packet of this length goes on in the next one."""
_MOST_SHAPES = 500
_START = 96
"""By so many of its first bytes the descriptions of a result are looked for."""

# The first byte of a packet that answers a statement; from 1 to 250 it is the number of columns.
_OK = 0x00
_MOST_COLUMNS = 250
_ERROR = 0xFF
_EOF = 0xFE
_EOF_BELOW = 9
"""What begins like one and is longer is a row with a very long first column."""
# The first byte of a number or text, if it is not the number or the length itself.
_NULL = 0xFB
_LENGTH_BYTES = {0xFC: 2, 0xFD: 3, 0xFE: 8}

Decoder = tuple[str | None, Callable[[Any], Any] | None]
"""How to read a column: its encoding, and what makes its value of that."""


class Answer(NamedTuple):
    """What a statement answered: rows with PyMySQL's `description` of their columns, or what it changed."""

    rows: Sequence[tuple[Any, ...]]
    insert_id: int | None
    affected_rows: int
    description: Any


class _Shape(NamedTuple):
    """A result's columns: their packets as they came, and what PyMySQL makes of them."""

    packets: bytes
    description: Any
    decoders: list[Decoder]


class _Source(Protocol):
    """What PyMySQL's result asks of a connection when it reads its columns."""

    encoding: str
    use_unicode: bool
    decoders: Any


class Connection(_Connection):  # type: ignore[misc]  # Any, as it is named above
    """A connection whose results are PyMySQL's."""

    _unread = b""
    _at = 0
    _next_seq_id: int
    _current_timeout: Any

    def __init__(self, **options: Any) -> None:
        self._shapes: dict[bytes, _Shape] = {}
        super().__init__(**options)

    def connect(self, sock: Any = None) -> None:
        """PyMySQL's, with nothing left of the connection before."""
        self._unread, self._at = b"", 0
        super().connect(sock)

    def _create_ssl_ctx(self, options: Mapping[str, Any]) -> ssl.SSLContext:
        """PyMySQL's hook, which it asks before it knows whether the server speaks TLS."""
        if not options:
            return _unverified()
        made: ssl.SSLContext = super()._create_ssl_ctx(options)
        return made

    def run(self, text: str, parameters: Sequence[Any]) -> Iterator[Answer]:
        """Run the statements that stand in one string; the answer of each, up to the first that fails."""
        self._execute_command(COMMAND.COM_QUERY, text % self._literals(parameters))
        if self._at != len(self._unread):
            self._force_close()
            raise OperationalError(CR.CR_COMMANDS_OUT_OF_SYNC, "There was an answer before the question")
        more: int = SERVER_STATUS.SERVER_MORE_RESULTS_EXISTS
        while more:
            yield self._answer()
            more = self.server_status & SERVER_STATUS.SERVER_MORE_RESULTS_EXISTS

    def _literals(self, parameters: Sequence[Any]) -> tuple[Any, ...]:
        """Values as SQL; most are numbers and texts, and the others PyMySQL's to write."""
        takes_backslashes = not self.server_status & SERVER_STATUS.SERVER_STATUS_NO_BACKSLASH_ESCAPES
        literals: list[Any] = []
        for value in parameters:
            kind = type(value)
            if kind is int:
                literals.append(value)
            elif kind is str and takes_backslashes:
                literals.append(f"'{_escaped(value)}'")
            else:
                literals.append(self.escape(value))
        return tuple(literals)

    def _read_query_result(self, unbuffered: bool = False) -> Any:
        """PyMySQL's hook: the next result becomes `_result`."""
        self._result = None
        self._have(5)
        if unbuffered or self._unread[self._at + 4] > _MOST_COLUMNS:
            return super()._read_query_result(unbuffered)
        answer = self._answer()
        self._result = result = _Result(None)
        result.affected_rows, result.insert_id = answer.affected_rows, answer.insert_id
        result.description = answer.description
        if answer.description is not None:
            result.rows, result.field_count = answer.rows, len(answer.description)
        result.server_status = self.server_status
        result.has_next = self.server_status & SERVER_STATUS.SERVER_MORE_RESULTS_EXISTS
        return result.affected_rows

    def _answer(self) -> Answer:
        """The answer of the next statement."""
        packet = self._packet()
        kind = packet[0]
        if kind == _OK:
            affected, at = (packet[1], 2) if packet[1] < _NULL else _number(packet, 1)
            insert_id, at = (packet[at], at + 1) if packet[at] < _NULL else _number(packet, at)
            self.server_status = packet[at] | packet[at + 1] << 8
            return Answer((), insert_id, affected, None)
        if kind <= _MOST_COLUMNS:
            return self._rows(kind)
        if kind == _ERROR:
            raise_mysql_exception(packet)
        raise NotSupportedError("These statements are to answer rows or nothing")

    def _rows(self, columns: int) -> Answer:
        shape = self._shapes.get(self._unread[self._at : self._at + _START])
        if shape is None or not self._skip(shape.packets):
            shape = self._learn(columns)
        else:
            self._next_seq_id = (self._next_seq_id + columns + 1) & 0xFF
        *packets, end = self._packets_to_end()
        if end[0] == _ERROR:
            raise_mysql_exception(end)
        self.server_status = int.from_bytes(end[3:5], "little")
        decoders = shape.decoders
        rows = tuple([_row(packet, decoders) for packet in packets])
        return Answer(rows, None, len(rows), shape.description)

    def _skip(self, packets: bytes) -> bool:
        """Go on behind these bytes, if they are what comes now."""
        if not self._unread.startswith(packets, self._at):
            return False
        self._at += len(packets)
        return True

    def _learn(self, columns: int) -> _Shape:
        """Read the descriptions of so many columns, and let PyMySQL take them apart."""
        number = self._next_seq_id
        contents = [self._packet() for _ in range(columns + 1)]
        result = _Result(_Replay(self, contents))
        result.field_count = columns
        result._get_descriptions()  # noqa: SLF001
        heads = [len(content) | (number + place & 0xFF) << 24 for place, content in enumerate(contents)]
        packets = b"".join(head.to_bytes(4, "little") + content for head, content in zip(heads, contents, strict=True))
        decoders = [(None, int) if convert is int else (encoding, convert) for encoding, convert in result.converters]
        if len(self._shapes) >= _MOST_SHAPES:
            self._shapes.clear()
        shape = self._shapes[packets[:_START]] = _Shape(packets, result.description, decoders)
        return shape

    def _packets_to_end(self) -> list[bytes]:
        """The contents of the rows' packets, and of the one that ends them."""
        contents: list[bytes] = []
        content = b"\0"
        data, at, size, number = self._unread, self._at, len(self._unread), self._next_seq_id
        while content[0] < _EOF or (content[0] == _EOF and len(content) >= _EOF_BELOW):
            end = at + 4 + int.from_bytes(data[at : at + 3], "little")
            if end <= size and data[at + 3] == number and end - at != _LONGEST_PACKET + 4:
                content = data[at + 4 : end]
                at, number = end, number + 1 & 0xFF
            else:
                self._at, self._next_seq_id = at, number
                content = self._packet()
                data, at, size, number = self._unread, self._at, len(self._unread), self._next_seq_id
            contents.append(content)
        self._at, self._next_seq_id = at, number
        return contents

    def _packet(self) -> bytes:
        """The content of the next packet."""
        if len(self._unread) - self._at < _SHORTEST:
            self._have(_SHORTEST)
        data, at, number = self._unread, self._at, self._next_seq_id
        start, length = at + 4, data[at] | data[at + 1] << 8 | data[at + 2] << 16
        end = start + length
        if end <= len(data) and data[at + 3] == number and length != _LONGEST_PACKET:
            self._next_seq_id = number + 1 & 0xFF
            self._at = end
            return data[start:end]
        content: bytes = self._read_packet().get_all_data()
        return content

    def _read_bytes(self, num_bytes: int) -> bytes:
        """PyMySQL's hook, by which it reads everything."""
        self._have(num_bytes)
        at = self._at
        self._at = end = at + num_bytes
        return self._unread[at:end]

    def _have(self, count: int) -> None:
        """Wait until so many bytes are there to be read."""
        missing = count - len(self._unread) + self._at
        if missing <= 0:
            return
        pieces = [self._unread[self._at :]]
        while missing > 0:
            piece = self._receive(max(missing, _PIECE))
            pieces.append(piece)
            missing -= len(piece)
        self._unread, self._at = b"".join(pieces), 0

    def _receive(self, most: int) -> bytes:
        if self._current_timeout != self._read_timeout:
            self._sock.settimeout(self._read_timeout)
            self._current_timeout = self._read_timeout
        try:
            piece: bytes = self._sock.recv(most)
        except OSError as error:
            self._force_close()
            raise OperationalError(CR.CR_SERVER_LOST, f"Lost connection to MySQL server ({error})") from error
        except BaseException:
            self._force_close()
            raise
        if not piece:
            self._force_close()
            raise OperationalError(CR.CR_SERVER_LOST, "Lost connection to MySQL server during query")
        return piece


@functools.cache
def _unverified() -> ssl.SSLContext:
    """What PyMySQL would make for a server whose certificate nobody verifies.

    It would read all of the system's certificates for that, at every connection: tens of milliseconds for nothing.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _Replay:
    """The packets of a result's columns once more, for PyMySQL's result to read."""

    def __init__(self, source: _Source, packets: Iterable[bytes]) -> None:
        self.encoding, self.use_unicode, self.decoders = source.encoding, source.use_unicode, source.decoders
        self._packets = iter(packets)

    def _read_packet(self, kind: Callable[[bytes, str], Any] | None = None) -> Any:
        return (kind or MysqlPacket)(next(self._packets), self.encoding)


def _escaped(text: str) -> str:
    """A text between single quotes, which nothing but a backslash and such a quote can end.

    PyMySQL escapes more, at twenty times the price for a message of some hundred characters.
    """
    if "\0" in text or "\x1a" in text:
        return str(escape_string(text))
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _row(packet: bytes, decoders: list[Decoder]) -> tuple[Any, ...]:
    row: list[Any] = []
    at = 0
    for encoding, convert in decoders:
        length = packet[at]
        if length == _NULL:
            row.append(None)
            at += 1
            continue
        if length > _NULL:
            length, at = _number(packet, at)
        else:
            at += 1
        content = packet[at : at + length]
        at += length
        value: Any = content if encoding is None else content.decode(encoding)
        row.append(value if convert is None else convert(value))
    return tuple(row)


def _number(packet: bytes, at: int) -> tuple[int, int]:
    """A number of one, three, four or nine bytes, and where it ends."""
    first = packet[at]
    if first < _NULL:
        return first, at + 1
    end = at + 1 + _LENGTH_BYTES[first]
    return int.from_bytes(packet[at + 1 : end], "little"), end
