"""The servers that tests and benches need, and the runner behind `make test`.

`running_servers(...)` hands out MariaDB, PostgreSQL, Redis and RabbitMQ: those whose addresses are in the
environment, else throw-away ones started here and stopped in the end. On the command line:

    python -m tests.infrastructure -- COMMAND…              all four, as BOOKWELL_TEST_*_URL
    python -m tests.infrastructure --only mariadb -- …      just that
    python -m tests.infrastructure.run --database mariadb tests/integration/test_x.py
"""

from tests.infrastructure.databases import drop_database, new_database
from tests.infrastructure.kinds import KINDS
from tests.infrastructure.servers import Server, running_servers

__all__ = ["KINDS", "Server", "drop_database", "new_database", "running_servers"]
