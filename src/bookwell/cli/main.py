"""The command `bookwell`."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from bookwell.cli.backup.command import backup, restore
from bookwell.cli.backup.unfinished import refuse_unfinished_restore
from bookwell.cli.demo_accounts import refuse_demo_accounts
from bookwell.cli.doctor.command import doctor
from bookwell.cli.embedded import SERVICES, EmbeddedSettings, run_embedded
from bookwell.cli.machine_failures import line_of
from bookwell.cli.management import MIGRATIONS, run_library_command, run_own_command, services_in_use
from bookwell.cli.outbox import outbox
from bookwell.cli.preparing import await_databases, prepare_apart, prepare_databases
from bookwell.cli.samples import users_told
from bookwell.cli.service_settings import settings_of
from bookwell.cli.staff import staff
from bookwell.cli.supervisor import StartFailed
from bookwell.cli.webhooks import webhooks
from bookwell.kit.settings import CommonSettings
from bookwell.simulators.running import run_simulators

__all__ = ["app"]

_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@dataclass(frozen=True, slots=True)
class _Served:
    """What to serve, on which port unless the variable names one, with how many threads.

    An application on ASGI reads the number of its threads from a variable.
    """

    target: str
    variable: str
    port: int
    threads: int = 8
    threads_variable: str = ""


_SERVED = {
    "library": _Served("bookwell.library.config.wsgi:application", "BOOKWELL_LIBRARY_PORT", 8013),
    "notifier": _Served("bookwell.notifier.app:application", "BOOKWELL_MAIL_PORT", 8025),
    # Its requests wait for partner libraries, for up to its time budget.
    "partners": _Served("bookwell.partners.app:application", "BOOKWELL_PARTNERS_PORT", 5013, threads=64),
    "tables": _Served(
        "bookwell.tables.app:application", "BOOKWELL_TABLES_PORT", 9000, threads_variable="BOOKWELL_TABLES_THREADS"
    ),
}
_SIMULATORS = "simulators"
_LOGS = "logs"
_Prepared = Annotated[
    bool, typer.Option("--prepare", help="First wait for its databases, and bring them up to date; for containers.")
]


class _Commands(typer.Typer):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Run the command; what of this machine stops it is a line."""
        try:
            return super().__call__(*arguments, **options)
        except Exception as error:
            if (line := line_of(error)) is None:
                raise
            raise SystemExit(line) from None


app = _Commands(
    no_args_is_help=True,
    add_completion=False,
    help="Reservations for library networks, and for a restaurant's tables.",
    pretty_exceptions_enable=False,
)
keys = typer.Typer(no_args_is_help=True, help="The keys that sign access tokens.")
app.add_typer(keys, name="keys")
clients = typer.Typer(no_args_is_help=True, help="Programs that may call the services, and what they may.")
app.add_typer(clients, name="clients")
app.add_typer(outbox, name="outbox")
app.add_typer(webhooks, name="webhooks")
app.add_typer(staff, name="tables")
app.command()(doctor)
app.command()(backup)
app.command()(restore)


@app.command()
def up(
    data_dir: Annotated[Path | None, typer.Option(help="Default: BOOKWELL_DATA_DIR, or ./.bookwell.")] = None,
    only: Annotated[str, typer.Option(help="Services, separated by commas.")] = ",".join(SERVICES),
    demo: Annotated[bool, typer.Option(help="Load samples into empty databases.")] = False,
) -> None:
    """Run everything on this machine, without any other server; stops on Ctrl-C."""
    wanted = [name.strip() for name in only.split(",")]
    unknown = [name for name in wanted if name not in SERVICES]
    if unknown:
        raise typer.BadParameter(f"no service {', '.join(unknown)}; there is: {', '.join(SERVICES)}")
    if data_dir is not None:
        os.environ["BOOKWELL_DATA_DIR"] = str(data_dir.absolute())
    _refuse_demo_in_production(is_demo=demo)
    try:
        run_embedded(EmbeddedSettings(), only=wanted, is_demo=demo, say=typer.echo)
    except StartFailed as error:
        _fail(str(error))
    except OSError as error:  # nobody may write there, a file is in its place, the disk is full
        _fail(f"{error.filename or 'The data folder'} cannot be used: {error.strerror or error}")
    except ValidationError as error:
        _fail("\n".join(f"BOOKWELL_{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors()))


@app.command()
def serve(
    service: Annotated[str, typer.Argument(help=f"One of: {', '.join((*_SERVED, _SIMULATORS))}.")],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Default: the service's setting.", min=1, max=65535)] = None,
    workers: Annotated[int, typer.Option(help="Processes. On SQLite: 1.", min=1, envvar="BOOKWELL_WORKERS")] = 1,
    threads: Annotated[int | None, typer.Option(help="Of each process. Default: the service's.", min=1)] = None,
    prepare: _Prepared = False,
) -> None:
    """Run one service in the foreground, in production behind a proxy that speaks TLS."""
    if service == _SIMULATORS:
        CommonSettings.load()  # says in a line what is wrong with those that it shares with others
        run_simulators(host=host, port=port or _port_of("BOOKWELL_SIMULATORS_PORT", 8030))
        return
    if service not in _SERVED:
        raise typer.BadParameter(f"no service {service}; there is: {', '.join((*_SERVED, _SIMULATORS))}")
    os.environ["BOOKWELL_WORKERS"] = str(workers)  # the service's settings know how many a database can take
    if prepare:
        prepare_apart([service, _LOGS])
    # What is wrong is said once, and not by every process that is forked.
    settings = settings_of(service).load("server")
    if settings.mode == "embedded":
        settings.shared_secret()  # the data folder can be used, and whoever is forked finds the same one
    refuse_demo_accounts([service])
    from bookwell.cli.server import Serving, serve_asgi, serve_wsgi  # noqa: PLC0415 -- the server is an extra's

    served = _SERVED[service]
    port = port or _port_of(served.variable, served.port)
    if served.threads_variable and threads is not None:
        os.environ[served.threads_variable] = str(threads)
    stop_seconds, drain_seconds = settings.seconds_to_stop, settings.drain_seconds
    serving = Serving(served.target, host, port, stop_seconds, workers=workers, drain_seconds=drain_seconds)
    if served.threads_variable:
        serve_asgi(serving)
    else:
        serve_wsgi(serving, threads=threads or served.threads)


@app.command()
def migrate(
    services: Annotated[list[str] | None, typer.Argument(help=f"Of: {', '.join(MIGRATIONS)}. Default: all.")] = None,
) -> None:
    """Bring databases up to date; one process at a time, whoever comes later finds nothing to do.

    In production, services without a database in the settings are left out.
    """
    unknown = [name for name in services or () if name not in MIGRATIONS]
    if unknown:
        raise typer.BadParameter(f"no service {', '.join(unknown)}; there is: {', '.join(MIGRATIONS)}")
    chosen = services or services_in_use()
    refuse_unfinished_restore(CommonSettings.load().data_dir)
    await_databases(chosen, seconds=0)  # what is wrong with a URL is one line
    for name in chosen:
        MIGRATIONS[name]()


@app.command()
def prepare(
    services: Annotated[list[str] | None, typer.Argument(help="Default: all that are in use.")] = None,
    demo: Annotated[bool, typer.Option(help="Load samples into empty databases.")] = False,
    seconds: Annotated[float, typer.Option(help="How long to wait for databases.", min=0)] = 120,
) -> None:
    """Wait for the databases of services and bring them up to date; in a demo, fill them."""
    there_are = dict.fromkeys((*MIGRATIONS, *_SERVED))
    if unknown := [name for name in services or () if name not in there_are]:
        raise typer.BadParameter(f"no service {', '.join(unknown)}; there is: {', '.join(there_are)}")
    _refuse_demo_in_production(is_demo=demo)
    chosen = services or services_in_use()
    prepare_databases(chosen, seconds=seconds, is_demo=demo)
    refuse_demo_accounts(chosen)
    for user in users_told(CommonSettings.load().data_dir) if demo else ():
        typer.echo(user)


@app.command()
def relay(prepare: _Prepared = False) -> None:
    """Bring messages out of the services' databases to the broker, and again those that got no receipt."""
    from bookwell.cli.workers import run_relay  # noqa: PLC0415 -- the broker's library is an extra's

    if prepare:
        prepare_apart([_LOGS])

    run_relay()


@app.command()
def worker(
    queues: Annotated[list[str], typer.Argument(help="Of: library, tables, mail, sms, webhook.")],
    concurrency: Annotated[int, typer.Option(help="Processes.", min=1)] = 2,
    prepare: _Prepared = False,
) -> None:
    """Handle the messages and jobs of some queues; stops after finishing what it has begun."""
    from bookwell.cli.composition import QUEUES, services_of  # noqa: PLC0415 -- the broker's library is an extra's
    from bookwell.cli.workers import run_queues  # noqa: PLC0415 -- the same

    unknown = [queue for queue in queues if queue not in QUEUES]
    if unknown:
        raise typer.BadParameter(f"no queue {', '.join(unknown)}; there is: {', '.join(QUEUES)}")
    if prepare:
        prepare_apart([*services_of(queues), _LOGS])
    raise typer.Exit(run_queues(queues, concurrency=concurrency))


@app.command()
def scheduler(
    services: Annotated[
        list[str] | None,
        typer.Argument(help="Of: library, tables. Default: those whose databases are in the settings."),
    ] = None,
    prepare: _Prepared = False,
) -> None:
    """Call the jobs of the schedule when their time has come, the notifier's among them; two schedulers do no harm.

    With its services named it needs none of their databases.
    """
    from bookwell.cli.composition import QUEUES, services_of  # noqa: PLC0415 -- the broker's library is an extra's
    from bookwell.cli.workers import run_schedule  # noqa: PLC0415 -- the same

    there_are = services_of(QUEUES)
    unknown = [name for name in services or () if name not in there_are]
    if unknown:
        raise typer.BadParameter(f"no service {', '.join(unknown)}; there is: {', '.join(there_are)}")
    if prepare:
        prepare_apart([_LOGS])
    run_schedule(services or ())


@app.command(context_settings=_PASSED_ON)
def library(context: typer.Context) -> None:
    """Run a management command of the library: `bookwell library migrate`; `… help` lists them."""
    run_library_command(context.args)


@app.command(name="import", context_settings=_PASSED_ON)
def import_catalogue(context: typer.Context) -> None:
    """Import a catalogue from CSV or MARC21: `bookwell import FILE`; `bookwell import --help` tells more."""
    run_own_command(["import_catalog", *context.args])


@app.command(context_settings=_PASSED_ON)
def create_admin(context: typer.Context) -> None:
    """Create an administrator: `bookwell create-admin NAME EMAIL`; asks for a password, or reads it from a pipe."""
    run_own_command(["create_admin", *context.args])


@clients.command(context_settings=_PASSED_ON)
def add(context: typer.Context) -> None:
    """Let a program in: `bookwell clients add NAME --scope reservations:write`; prints its id and secret once."""
    run_own_command(["add_client", *context.args])


@clients.command(name="list", context_settings=_PASSED_ON)
def list_clients(context: typer.Context) -> None:
    """List programs with their scopes; secrets are not kept."""
    run_own_command(["list_clients", *context.args])


@clients.command(name="rotate", context_settings=_PASSED_ON)
def rotate_client(context: typer.Context) -> None:
    """Give a program another secret: `bookwell clients rotate NAME`; the one before stays good for a day."""
    run_own_command(["rotate_client", *context.args])


@clients.command(context_settings=_PASSED_ON)
def revoke(context: typer.Context) -> None:
    """Shut a program out; its tokens end within five minutes."""
    run_own_command(["revoke_client", *context.args])


@keys.command()
def rotate() -> None:
    """Sign with a new key from now on; the old one stays published until its tokens have expired."""
    run_library_command(["rotate_keys"])


def _refuse_demo_in_production(*, is_demo: bool) -> None:
    """Before anything is made: what a demo has loaded into an empty database could only be taken out by hand."""
    if is_demo and CommonSettings.load().mode == "production":
        _fail("--demo: not where BOOKWELL_MODE is production; its people would stand in the databases")


def _port_of(variable: str, usual: int) -> int:
    try:
        port = int(os.environ.get(variable) or usual)
    except ValueError:
        port = 0
    if not 1 <= port <= 65535:
        raise typer.BadParameter(f"{variable} is no port")
    return port


def _fail(message: str) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
