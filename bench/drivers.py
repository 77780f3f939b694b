"""The MySQL driver that the service would use here: mysqlclient where it is installed, else PyMySQL."""

from importlib import import_module, metadata
from types import ModuleType

__all__ = ["driver_module", "driver_name"]


def driver_module() -> ModuleType:
    """The driver's DB-API module."""
    try:
        return import_module("MySQLdb")
    except ImportError:
        return import_module("pymysql")


def driver_name() -> str:
    """Its distribution and version, for the report."""
    distribution = "mysqlclient" if driver_module().__name__ == "MySQLdb" else "pymysql"
    return f"{distribution} {metadata.version(distribution)}"
