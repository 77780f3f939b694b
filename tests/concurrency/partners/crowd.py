"""A process of the partners service without its server: many threads ask for one book, at a moment given in advance.

`python -m tests.concurrency.partners.crowd ISBN MOMENT` (seconds since 1970) prints how many of each answer they got.
"""

import json
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from bookwell.partners.configuration import read_configuration
from bookwell.partners.gateway import Gateway
from bookwell.partners.settings import PartnersSettings
from bookwell.partners.simulated import simulated_partners

_THREADS = 8


def main(isbn: str, moment: float) -> None:
    """Ask and print."""
    settings = PartnersSettings.load()
    simulated = simulated_partners(settings.simulators)
    entries = read_configuration(None, environ=simulated.environ, default=simulated.configuration)
    gateway = Gateway(settings, entries)

    def ask(_: int) -> str:
        time.sleep(max(0, moment - time.time()))
        return json.dumps([library["state"] for library in gateway.availability_of_isbn(isbn)])

    with ThreadPoolExecutor(_THREADS) as pool:
        print(json.dumps(Counter(pool.map(ask, range(_THREADS)))))  # noqa: T201 -- the answer


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
