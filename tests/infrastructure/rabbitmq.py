"""A throw-away RabbitMQ: a node of its own with a name server of its own, on loopback and private ports alone.

Erlang nodes find each other through epmd, one for a machine unless told otherwise; ours is asked on a private port,
and started first, because a node that finds none starts one that stays. Only RabbitMQ itself can make virtual hosts, so
that those of a run's parallel processes are there from the start.
"""

import json
import os
import secrets
import signal
from typing import Any
from urllib.parse import urlsplit

import amqp

from tests.infrastructure.launching import USER, Launch, Place, program

__all__ = ["definitions_for", "prepare_rabbitmq", "rabbitmq_version"]

_VIRTUAL_HOSTS = ("/", *(f"gw{number}" for number in range(8)))
"""That of a run in one process, and one for each parallel process, by xdist's names."""

_SETTINGS = """\
listeners.tcp.1 = 127.0.0.1:{port}
load_definitions = {definitions}
log.file = false
log.console = true
log.console.level = warning
disk_free_limit.absolute = 50MB
raft.wal_max_size_bytes = 16777216
"""
_ERLANG_OPTIONS = (
    "-kernel inet_dist_use_interface {127,0,0,1}",
    "+sbwt none +sbwtdcpu none +sbwtdio none",  # idle schedulers sleep, instead of looking busy
)


def prepare_rabbitmq(place: Place) -> Launch:
    """Lay out a node; it keeps its queues in the folder, so that it has them again when it is killed and started."""
    password, folder = secrets.token_hex(8), place.folder
    names_port, distribution_port = place.inner_ports[:2]
    settings, plugins, cookie = folder / "rabbitmq.conf", folder / "enabled_plugins", folder / ".erlang.cookie"
    definitions = folder / "definitions.json"
    definitions.write_text(definitions_for(USER, password))
    settings.write_text(_SETTINGS.format(port=place.port, definitions=definitions))
    plugins.write_text("[].")
    cookie.write_text(secrets.token_hex(10))
    cookie.chmod(0o400)
    env = {
        "HOME": str(folder),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(names_port),
        "RABBITMQ_NODENAME": f"bookwell-{place.port}@localhost",
        "RABBITMQ_DIST_PORT": str(distribution_port),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "RABBITMQ_CONFIG_FILE": str(settings),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": " ".join(_ERLANG_OPTIONS),
        "RUNNING_UNDER_SYSTEMD": "true",  # the script becomes the server, so that a signal to our child reaches it
    }
    companion = [program("epmd"), "-address", "127.0.0.1", "-port", str(names_port)]
    url = f"amqp://{USER}:{password}@127.0.0.1:{place.port}//"
    return Launch([program("rabbitmq-server")], url, signal.SIGKILL, companion, env)


def definitions_for(user: str, password: str) -> str:
    """The virtual hosts and the one user that a fresh node begins with, as it reads them."""
    everything = dict.fromkeys(("configure", "write", "read"), ".*")
    found = {
        "users": [{"name": user, "password": password, "tags": "administrator"}],
        "vhosts": [{"name": name} for name in _VIRTUAL_HOSTS],
        "permissions": [{"user": user, "vhost": name} | everything for name in _VIRTUAL_HOSTS],
    }
    return json.dumps(found)


def rabbitmq_version(url: str) -> str:
    """The server's own words about its version.

    Raises:
        OSError: while it does not answer.
    """
    parts = urlsplit(url)
    connection: Any = amqp.Connection(
        f"{parts.hostname}:{parts.port or 5672}",
        userid=parts.username or "guest",
        password=parts.password or "guest",
        virtual_host=parts.path[1:] or "/",
        connect_timeout=2,
        read_timeout=5,
    )
    try:
        connection.connect()
        return str(connection.server_properties["version"])
    except amqp.exceptions.AMQPError as error:
        raise OSError(str(error)) from error
    finally:
        connection.collect()
