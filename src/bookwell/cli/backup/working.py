"""Makes a backup of everything that the settings name, and puts one back."""

import datetime as dt
import shutil
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from bookwell.cli.backup.data_folder import fill_folder, list_files, list_present, save_folder
from bookwell.cli.backup.manifest import Backup, BackupUnusable, Part, describe, read_backup
from bookwell.cli.backup.migrations import list_applied, list_unknown
from bookwell.cli.backup.programs import ProgramFailed
from bookwell.cli.backup.sessions import list_connected
from bookwell.cli.backup.stores import SKIPPED_IDS, store_of
from bookwell.cli.backup.unfinished import marked_as_unfinished
from bookwell.cli.doctor.site import read_site
from bookwell.cli.folder_lock import folder_to_ourselves
from bookwell.kit import clock
from bookwell.kit.adapters.sqlalchemy import engine_of
from bookwell.kit.adapters.sqlalchemy.engines import reading, writing
from bookwell.kit.private_files import make_private_folder, sync_folder

__all__ = ["FAILURES", "RestoreRefused", "SettingsUnusable", "make_backup", "restore_backup"]

_FOLDER = "data folder"
_LAST = "notifier"
_PARTIAL = ".partial"
_UNTOLD = {
    "library": "SELECT COUNT(*) FROM outbox WHERE done_at IS NULL",
    "tables": "SELECT COUNT(*) FROM outbox WHERE done_at IS NULL",
    "notifier": "SELECT COUNT(*) FROM delivery WHERE state IN ('queued', 'sending')",
}


class RestoreRefused(Exception):
    """Something would be lost, or is not as it must be; a line each, for the person who tried."""


class SettingsUnusable(Exception):
    """They do not say where the databases are, or name none that holds anything; a line each."""


def make_backup(parent: Path, *, say: Callable[[str], None]) -> Path:
    """Save everything into a new folder below `parent`, which has its name once it is whole; answers it.

    Raises:
        SettingsUnusable, ProgramFailed, SQLAlchemyError, OSError
    """
    site, databases = read_site(), _databases()
    now = clock.now().astimezone(dt.UTC)
    target = parent / f"bookwell-{now:%Y%m%dT%H%M%SZ}"
    draft = target.with_name(target.name + _PARTIAL)
    make_private_folder(parent)
    draft.mkdir(mode=0o700)
    try:
        parts = list(_saved(draft, databases, say))
        if not parts:
            raise SettingsUnusable("no database holds anything; are these the services' settings?")  # noqa: TRY301 -- clears up
        if list_files(site.common.data_dir):
            save_folder(site.common.data_dir, draft / "data.tar")
            parts.append(describe(_FOLDER, "folder", draft / "data.tar"))
        Backup(draft, now.isoformat(timespec="seconds"), version("bookwell"), parts).write_manifest()
        for file in draft.iterdir():
            file.chmod(0o600)
        sync_folder(draft)
        draft.rename(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    sync_folder(parent)
    return target


def restore_backup(folder: Path, *, is_forced: bool, say: Callable[[str], None], ignores_others: bool = False) -> None:
    """Make everything what it was in the backup. Services must not run meanwhile: others on a database are refused.

    Raises:
        BackupUnusable, RestoreRefused, SettingsUnusable: before anything is changed.
        ProgramFailed, SQLAlchemyError, OSError
    """
    backup = read_backup(folder)
    databases, data_dir = _databases(), read_site().common.data_dir.absolute()
    refusals = [line for part in backup.parts for line in _refusals(backup, part, databases, data_dir, is_forced)]
    if refusals:
        raise RestoreRefused("\n".join(refusals))
    make_private_folder(data_dir)
    taken = RestoreRefused(f"`bookwell up` is running with {data_dir}; stop it first")
    with folder_to_ourselves(data_dir, refusal=taken):
        if not ignores_others and (occupied := list(_occupied(backup, databases))):
            raise RestoreRefused("\n".join(occupied))
        _fill(backup, databases, data_dir, say)
    for service, count in _untold(databases).items():
        say(f"{service}: {count} messages were under way; what was sent after the backup goes again")


def _fill(backup: Backup, databases: Mapping[str, str], data_dir: Path, say: Callable[[str], None]) -> None:
    with marked_as_unfinished(data_dir):
        for part in backup.parts:
            say(f"restoring {part.service}")
            if part.kind == "folder":
                fill_folder(backup.folder / part.file, data_dir)
            else:
                store_of(databases[part.service]).fill(backup.folder / part.file)
        if "tables" in databases and any(part.service == "tables" for part in backup.parts):
            _skip_places(databases["tables"])


def _databases() -> Mapping[str, str]:
    """The databases in use by service, in the order in which they are saved.

    Raises:
        SettingsUnusable: rather than to take one that is not named for an embedded one, and to leave it out.
    """
    site = read_site()
    wrong = {line for lines in site.problems.values() for line in lines if "_DATABASE_URL" in line.partition(":")[0]}
    if wrong:
        raise SettingsUnusable("\n".join(sorted(wrong)))
    urls = {service: url for service, each in site.settings.items() for _, url in each.own_databases()}
    return dict(sorted(urls.items(), key=lambda pair: pair[0] == _LAST))


def _saved(folder: Path, databases: Mapping[str, str], say: Callable[[str], None]) -> Iterator[Part]:
    for service, url in databases.items():
        store = store_of(url)
        if store.is_empty():
            say(f"{service}: nothing there")
            continue
        say(f"saving {service}")
        file = folder / f"{service}.{store.ending}"
        store.save(file)
        yield describe(service, store.kind, file, migrations=list_applied(service, url))


def _refusals(
    backup: Backup, part: Part, databases: Mapping[str, str], data_dir: Path, is_forced: bool
) -> Iterator[str]:
    if part.kind == "folder":
        if not is_forced:
            present = list_present(backup.folder / part.file, data_dir)
            yield from (f"{_FOLDER}: {name} is there, and another; --force replaces it" for name in present)
        return
    if part.service not in databases:
        yield f"{part.service}: its database is not in the settings"
        return
    if unknown := list_unknown(part.service, part.migrations):
        yield (
            f"{part.service}: the backup is of a newer version than this program ({', '.join(unknown)}); "
            f"install the one that made it, {backup.version}, or newer"
        )
    store = store_of(databases[part.service])
    if store.kind != part.kind:
        yield f"{part.service}: the backup is of {part.kind}, the settings name {store.kind}"
    elif not is_forced and not store.is_empty():
        yield f"{part.service}: its database is not empty; --force drops what is there"


def _occupied(backup: Backup, databases: Mapping[str, str]) -> Iterator[str]:
    for part in backup.parts:
        if part.service in databases and (others := list_connected(databases[part.service])):
            names = "; ".join(others)
            yield f"{part.service}: its database is in use ({names}); stop every service, or pass --ignore-connections"


def _skip_places(url: str) -> None:
    """Let the feed go on behind every place that a back office may have read after the backup."""
    engine = engine_of(url, connections=1)
    try:
        with writing(engine) as connection:
            connection.execute(text("UPDATE feed_head SET position = position + :skipped"), {"skipped": SKIPPED_IDS})
    finally:
        engine.dispose()


def _untold(databases: Mapping[str, str]) -> Mapping[str, int]:
    found = {}
    for service, url in databases.items():
        engine = engine_of(url, connections=1)
        try:
            with reading(engine) as connection:
                found[service] = int(connection.execute(text(_UNTOLD[service])).scalar() or 0)
        except SQLAlchemyError:
            continue
        finally:
            engine.dispose()
    return {service: count for service, count in found.items() if count}


FAILURES = (BackupUnusable, RestoreRefused, SettingsUnusable, ProgramFailed, SQLAlchemyError, OSError)
"""What ends a backup or a restore with a message."""
