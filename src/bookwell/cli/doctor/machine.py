"""Checks of this machine: the data folder, what may read its secrets, disk space, time, the process's heartbeat."""

import os
import shutil
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from bookwell.cli.composition import BackgroundSettings
from bookwell.cli.demo_accounts import list_demo_accounts
from bookwell.cli.doctor.findings import Check, Finding, failed, fine, warning
from bookwell.cli.doctor.site import Site
from bookwell.kit.heartbeat import is_alive

__all__ = ["disk_finding", "machine_checks"]

_OTHERS = 0o077
_MEGABYTE = 1024 * 1024
_LITTLE, _TOO_LITTLE = 1024 * _MEGABYTE, 100 * _MEGABYTE
_SECRET_FILES = ("keys/*", "tables-keys/*", "*.secret", "webhooks.toml", "demo.json")
_FOLDER = "data folder"


def machine_checks(site: Site) -> Mapping[str, Check]:
    """The checks of what is here."""
    folder = site.common.data_dir.absolute()
    checks: dict[str, Check] = {
        _FOLDER: partial(_data_folder, folder),
        "disk": partial(_disk, folder),
        "clock": partial(_clock, site.common.clock_offset),
    }
    settings = site.common
    if isinstance(settings, BackgroundSettings) and settings.heartbeat_file is not None:
        checks["heartbeat"] = partial(_heartbeat, settings.heartbeat_file)
    if site.is_production:
        checks["demo users"] = partial(_demo_users, site)
    return checks


def disk_finding(folder: Path, *, free: int) -> Finding:
    """What so many free bytes mean for the folder's file system."""
    words = f"{free // _MEGABYTE} MB free at {folder}"
    advice = "make room: a full disk stops databases, mails and logs"
    if free < _TOO_LITTLE:
        return failed("disk", words, advice)
    return warning("disk", words, advice) if free < _LITTLE else fine("disk", words)


def _data_folder(folder: Path) -> Iterator[Finding]:
    if not folder.is_dir():
        yield warning(_FOLDER, f"{folder} is not there", "the first start makes it; BOOKWELL_DATA_DIR names another")
        return
    problems = [*_folder_problems(folder), *_file_problems(folder)]
    yield from problems or [fine(_FOLDER, f"{folder}, open to its owner alone")]


def _folder_problems(folder: Path) -> Iterator[Finding]:
    state = folder.stat()
    if state.st_uid != os.geteuid() and os.geteuid() != 0:
        yield failed(_FOLDER, f"{folder} belongs to user {state.st_uid}", f"chown -R {os.geteuid()} {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        yield failed(_FOLDER, f"{folder} cannot be written", "let the account of the services own it")
    if state.st_mode & _OTHERS:
        yield warning(_FOLDER, f"{folder} is open to others", f"chmod 700 {folder}")


def _file_problems(folder: Path) -> Iterator[Finding]:
    secret = sorted(file for pattern in _SECRET_FILES for file in folder.glob(pattern) if file.is_file())
    for file in secret:
        if file.stat().st_mode & _OTHERS:
            yield failed(
                _FOLDER, f"{file.relative_to(folder)} holds a secret that others can read", f"chmod 600 {file}"
            )


def _disk(folder: Path) -> Iterator[Finding]:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    yield disk_finding(there, free=shutil.disk_usage(there).free)


def _clock(offset: float) -> Iterator[Finding]:
    if offset:
        yield warning("clock", f"set {offset:g} s ahead", "BOOKWELL_CLOCK_OFFSET is for demos")
    else:
        yield fine("clock", "not set ahead")


def _heartbeat(file: Path) -> Iterator[Finding]:
    if is_alive(file):
        yield fine("heartbeat", "within the last minute")
    else:
        yield failed(
            "heartbeat", f"{file} was not touched for a minute", "the process behind it hangs or ended: restart it"
        )


def _demo_users(site: Site) -> Iterator[Finding]:
    found = [
        (service, names)
        for service, settings in site.settings.items()
        for _, url in settings.own_databases()
        if service != "notifier" and (names := list_demo_accounts(service, url))
    ]
    for service, names in found:
        advice = "deactivate them, or name a database without samples"
        yield failed("demo users", f"people of the demo can log in at {service}: {', '.join(names)}", advice)
    if not found:
        yield fine("demo users", "none")
