"""A restaurant's back office to develop against: takes signed events, shows orders, sends signed decisions."""

from bookwell.simulators.back_office.app import BackOffice
from bookwell.simulators.back_office.settings import BackOfficeSettings

__all__ = ["BackOffice", "BackOfficeSettings"]
