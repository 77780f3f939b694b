"""The library and nine partners that speak DAIA, as little of each as `bench.partners` needs, in one cheap process.

`python -m bench.partner_stubs PORT`: `/api/books/ID/` answers every id with an ISBN of its own, `/daia/N` a copy on the
shelf, `/hang/N` never.
"""

import asyncio
import json
import sys
from urllib.parse import parse_qs, urlsplit

__all__ = ["isbn_of"]

_FOREVER_SECONDS = 3600


def isbn_of(book_id: int) -> str:
    """A number with a right check digit for every book."""
    twelve = f"978{book_id % 10**9:09}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(twelve))
    return twelve + str(-total % 10)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            target = head.split(b" ", 2)[1].decode()
            if target.startswith("/hang/"):
                await asyncio.sleep(_FOREVER_SECONDS)
            content = json.dumps(_answer(target)).encode()
            length = f"Content-Length: {len(content)}\r\n\r\n".encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + length + content)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


def _answer(target: str) -> object:
    parts = urlsplit(target)
    if parts.path.startswith("/api/books/"):
        book_id = int(parts.path.split("/")[3])
        return {"id": book_id, "isbn": isbn_of(book_id)}
    wanted = parse_qs(parts.query).get("id", [""])[0]
    item = {"id": f"{wanted}/1", "available": [{"service": "loan"}]}
    return {"document": [{"id": f"urn:x:{wanted}", "requested": wanted, "item": [item]}]}


async def _main(port: int) -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
