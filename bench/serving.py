"""Any application under the product's own server, with its settings: `python -m bench.serving APP PORT [THREADS]`.

With a number of threads the application is WSGI's, without one ASGI's.
"""

import sys

from bench.servers import WORKERS
from bookwell.cli.server import Serving, serve_asgi, serve_wsgi

__all__ = ["main"]

_STOP_SECONDS = 10


def main(app: str, port: str, threads: str | None = None) -> None:
    """Serve until told to stop."""
    serving = Serving(app, "127.0.0.1", int(port), stop_seconds=_STOP_SECONDS, workers=WORKERS)
    if threads is None:
        serve_asgi(serving)
    else:
        serve_wsgi(serving, threads=int(threads))


if __name__ == "__main__":
    main(*sys.argv[1:])
