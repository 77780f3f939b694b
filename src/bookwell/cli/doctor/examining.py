"""Everything that is checked, in the order in which a person reads it."""

import os
from collections.abc import Sequence
from dataclasses import replace

from bookwell.cli.doctor.brokers import broker_checks
from bookwell.cli.doctor.databases import database_checks
from bookwell.cli.doctor.findings import Check, Finding, run_checks
from bookwell.cli.doctor.machine import machine_checks
from bookwell.cli.doctor.neighbours import neighbour_checks
from bookwell.cli.doctor.secret_files import secret_file_checks
from bookwell.cli.doctor.site import read_site, settings_checks
from bookwell.cli.management import set_up_library
from bookwell.kit import clock

__all__ = ["examine_site"]

_SECONDS = 10.0


def examine_site(*, seconds: float = _SECONDS) -> Sequence[Finding]:
    """Look at everything that the settings name; takes `seconds` at most, whoever does not answer."""
    site = read_site()
    clock.set_offset(site.common.clock_offset)
    if "library" in site.settings and not site.problems["library"]:
        os.environ["BOOKWELL_LOG_LEVEL"] = "ERROR"  # a person reads what follows
        os.environ["BOOKWELL_LOG_DATABASE_LEVEL"] = "OFF"
        set_up_library()
    checks: dict[str, Check] = {
        **settings_checks(site),
        **database_checks(site),
        **broker_checks(site),
        **neighbour_checks(site),
        **machine_checks(site),
        **secret_file_checks(site),
    }
    found = run_checks(checks, seconds=seconds)
    return [replace(each, message=site.redact(each.message), advice=site.redact(each.advice)) for each in found]
