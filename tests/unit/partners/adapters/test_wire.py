import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable

import httpx2
import pytest
import time_machine

from bookwell.kit.request_context import in_trace
from bookwell.partners.adapters.protocol import AdapterOptions, Failure, PartnerFailed
from bookwell.partners.adapters.wire import MAX_ANSWER_BYTES, Reply, Wire, with_query, within

pytestmark = pytest.mark.anyio

HOME = "https://library.test/api"
JSON = {"Content-Type": "application/json"}
Handler = Callable[[httpx2.Request], httpx2.Response]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def unread(handler: Handler) -> httpx2.MockTransport:
    """As from a network: an answer that nobody has read yet."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        told = handler(request)
        if not told.is_stream_consumed:
            return told
        return httpx2.Response(told.status_code, headers=told.headers, stream=httpx2.ByteStream(told.content))

    return httpx2.MockTransport(answer)


async def ask(handler: Handler, url: str = HOME, method: str = "GET") -> Reply:
    async with httpx2.AsyncClient(transport=unread(handler), follow_redirects=True) as client:
        return await Wire(client, AdapterOptions(url=HOME, language="pl")).call(method, url)


async def failure(handler: Handler, method: str = "GET") -> PartnerFailed:
    with pytest.raises(PartnerFailed) as failed:
        await ask(handler, method=method)
    return failed.value


async def test_call__json__is_read() -> None:
    reply = await ask(lambda _: httpx2.Response(200, json={"a": 1}))

    assert (reply.status, reply.data) == (200, {"a": 1})


async def test_call__any__says_who_asks_and_what_for() -> None:
    seen: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json=1)

    await ask(handler)

    assert seen[0].headers["user-agent"].startswith("Bookwell/")
    assert seen[0].headers["accept"] == "application/json"
    assert seen[0].headers["accept-language"] == "pl"


async def test_call__in_a_trace__carries_it_on() -> None:
    seen: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json=1)

    with in_trace(f"00-{'a' * 32}-{'b' * 16}-01"):
        await ask(handler)
    with in_trace(""):
        await ask(handler)

    assert [request.headers.get("traceparent") for request in seen] == [f"00-{'a' * 32}-{'b' * 16}-01", None]


async def test_call__cookie_was_set__is_never_sent_back() -> None:
    seen: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json=1, headers={"Set-Cookie": "session=1; Path=/"})

    async with httpx2.AsyncClient(transport=unread(handler)) as client:
        wire = Wire(client, AdapterOptions(url=HOME))
        await wire.call("GET", HOME)
        await wire.call("GET", HOME)

    assert [request.headers.get("cookie") for request in seen] == [None, None]


@pytest.mark.parametrize("location", ["/elsewhere", "https://library.test/elsewhere", "https://LIBRARY.test:443/x"])
async def test_call__redirect_on_the_same_host__is_followed(location: str) -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/api":
            return httpx2.Response(302, headers={"Location": location})
        return httpx2.Response(200, json="there")

    assert (await ask(handler)).data == "there"


@pytest.mark.parametrize(
    "location",
    [
        "https://other.test/",
        "//other.test/api",
        "http://library.test/api",
        "https://library.test:8443/api",
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1/",
        "https://user:secret@library.test/api",
        "https://library.test.other.test/",
    ],
)
async def test_call__redirect_elsewhere__is_not_followed(location: str) -> None:
    seen: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(str(request.url))
        return httpx2.Response(307, headers={"Location": location})

    assert (await failure(handler)).code is Failure.REDIRECTED
    assert seen == [HOME]


@pytest.mark.parametrize("location", ["http://[", "https://library.test:99999999/"])
async def test_call__redirect_to_nonsense__is_malformed(location: str) -> None:
    handler = httpx2.Response(302, headers={"Location": location})

    assert (await failure(lambda _: handler)).code in {Failure.MALFORMED, Failure.REDIRECTED}


async def test_call__redirects_in_a_circle__end() -> None:
    seen: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(str(request.url))
        return httpx2.Response(302, headers={"Location": "/api"})

    assert (await failure(handler)).code is Failure.REDIRECTED
    assert len(seen) == 4


async def test_call__redirect_of_a_post__is_not_followed() -> None:
    seen: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.method)
        return httpx2.Response(307, headers={"Location": "/elsewhere"})

    assert (await failure(handler, method="POST")).code is Failure.REDIRECTED
    assert seen == ["POST"]


async def test_call__more_than_a_mebibyte__is_not_read_to_its_end() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 64 * MAX_ANSWER_BYTES:
            read += 65_536
            yield b" " * 65_536

    failed = await failure(lambda _: httpx2.Response(200, headers=JSON, content=endless()))

    assert failed.code is Failure.TOO_LARGE
    assert read <= MAX_ANSWER_BYTES + 2 * 65_536


@pytest.mark.parametrize("pieces", [[b"[%s0]" % (b"{}," * 5001)], [b" "] * 4097], ids=["objects", "chunks"])
async def test_call__few_bytes_that_are_much_work__are_refused(pieces: list[bytes]) -> None:
    async def sent() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    assert (await failure(lambda _: httpx2.Response(200, headers=JSON, content=sent()))).code is Failure.TOO_LARGE


async def test_call__length_says_too_large__nothing_is_read() -> None:
    headers = {**JSON, "Content-Length": "99999999999"}

    assert (await failure(lambda _: httpx2.Response(200, headers=headers, content=b"1"))).code is Failure.TOO_LARGE


async def test_call__exactly_a_mebibyte__is_read() -> None:
    body = b" " * (MAX_ANSWER_BYTES - 1) + b"1"

    assert (await ask(lambda _: httpx2.Response(200, headers=JSON, content=body))).data == 1


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "text/html"}, b"{}"),
        ({"Content-Type": "application/jsonp"}, b"{}"),
        (JSON, b""),
        (JSON, b"{"),
        (JSON, b"NaN"),
        (JSON, b"\xff\xfe"),
        (JSON, b"[" * 100_000),
        ({**JSON, "Content-Encoding": "gzip"}, b"\x1f\x8b"),
    ],
)
async def test_call__success_that_is_no_json__is_malformed(headers: dict[str, str], body: bytes) -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers=headers, stream=httpx2.ByteStream(body))

    assert (await failure(handler)).code is Failure.MALFORMED


@pytest.mark.parametrize("kind", ["application/json", "application/problem+json; charset=utf-8", "text/json", None])
async def test_call__json_by_any_name__is_read(kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}

    assert (await ask(lambda _: httpx2.Response(200, headers=headers, content=b"1"))).data == 1


async def test_call__refusal_in_html__has_a_status_and_no_data() -> None:
    reply = await ask(lambda _: httpx2.Response(404, text="<h1>gone</h1>"))

    assert (reply.status, reply.data) == (404, None)


@pytest.mark.parametrize(
    ("status", "code", "is_down"),
    [
        (429, Failure.RATE_LIMITED, False),
        (500, Failure.SERVER_ERROR, True),
        (503, Failure.UNAVAILABLE, True),
        (504, Failure.TIMEOUT, True),
    ],
)
async def test_call__partner_cannot__is_told_by_kind(status: int, code: Failure, is_down: bool) -> None:
    failed = await failure(lambda _: httpx2.Response(status))

    assert (failed.code, failed.is_partner_down) == (code, is_down)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("99999999", 3600),
        ("-7", None),
        ("soon", None),
        ("", None),
        ("Sun, 22 Nov 2026 10:00:30 GMT", 30),
        ("Sun, 22 Nov 2020 10:00:30 GMT", 0),
        ("Sun, 22 Nov 2026 10:00:30", None),
    ],
)
async def test_call__retry_after__is_understood_and_bounded(value: str, seconds: float | None) -> None:
    with time_machine.travel(dt.datetime(2026, 11, 22, 10, tzinfo=dt.UTC), tick=False):
        failed = await failure(lambda _: httpx2.Response(503, headers={"Retry-After": value}))

    assert failed.retry_after == seconds


@pytest.mark.parametrize(
    "error",
    [httpx2.ConnectError("no"), httpx2.ReadError("no"), OSError("no"), ValueError("no"), httpx2.PoolTimeout("no")],
)
async def test_call__transport_fails__fails(error: Exception) -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        raise error

    assert (await failure(handler)).code in {Failure.UNREACHABLE, Failure.TIMEOUT}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"", Failure.UNREACHABLE),
        (b"220 mail.library.test ESMTP\r\n\r\n", Failure.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[", Failure.MALFORMED),
    ],
)
async def test_call__connection_ends__is_malformed_only_where_something_was_said(answer: bytes, code: Failure) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, httpx2.AsyncClient(trust_env=False) as client:
        with pytest.raises(PartnerFailed) as failed:
            await Wire(client, AdapterOptions(url=url)).call("GET", url)

    assert failed.value.code is code


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ('</api?page=2>; rel="next"', "https://library.test/api?page=2"),
        ("<?p=1>; rel=first, <?p=2>; rel=next", "https://library.test/api?p=2"),
        ('<?p=1>; rel="prev"', None),
        ('<?id=a,b&p=2>; rel="next"', "https://library.test/api?id=a,b&p=2"),
        ('<?p=2>; title="x, <y>; rel=last"; REL="prev next"', "https://library.test/api?p=2"),
        ('<?p=1>; rel="nextish", <?p=2> ; rel = "Next"', "https://library.test/api?p=2"),
        ('<?p=1>; title="rel=next"; rel=prev', None),
        ("", None),
    ],
)
async def test_next_url__link__is_resolved(link: str, url: str | None) -> None:
    reply = await ask(lambda _: httpx2.Response(200, json=1, headers={"Link": link}))

    assert reply.next_url == url


@pytest.mark.parametrize("target", ["https://other.test/", "http://["])
async def test_next_url__elsewhere_or_nonsense__fails(target: str) -> None:
    reply = await ask(lambda _: httpx2.Response(200, json=1, headers={"Link": f'<{target}>; rel="next"'}))

    with pytest.raises(PartnerFailed):
        _ = reply.next_url


async def test_within__takes_too_long__is_a_timeout() -> None:
    import anyio  # noqa: PLC0415 -- one test sleeps

    with pytest.raises(PartnerFailed) as failed, within(0.01):
        await anyio.sleep(5)

    assert failed.value.code is Failure.TIMEOUT


def test_with_query__reserved_characters__are_quoted() -> None:
    assert with_query("http://a/b", id="isbn:1|isbn:2", q="%x%") == "http://a/b?id=isbn%3A1%7Cisbn%3A2&q=%25x%25"
