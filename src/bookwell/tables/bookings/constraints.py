"""The database's last line, by the names of its constraints; SQLite names the columns of a unique one."""

from collections.abc import Mapping
from types import MappingProxyType

from bookwell.kit.errors import DomainError
from bookwell.kit.machine_clients import ClientNameTaken
from bookwell.tables.accounts.errors import UsernameTaken
from bookwell.tables.bookings.errors import SlotTaken
from bookwell.tables.floor.errors import TableNameTaken

__all__ = ["CONSTRAINTS"]

CONSTRAINTS: Mapping[str, type[DomainError]] = MappingProxyType(
    {
        "occupancy_bookings": SlotTaken,
        "occupancy_closures": SlotTaken,
        "dining_table_name": TableNameTaken,
        "dining_table.active_name": TableNameTaken,
        "account_username": UsernameTaken,
        "account.username_key": UsernameTaken,
        "machine_client_name": ClientNameTaken,
        "machine_client.name": ClientNameTaken,
    }
)
