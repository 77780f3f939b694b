"""The sample library that `bookwell up --demo` loads: branches, real books with copies, readers in several states."""

from bookwell.library.demo.loading import is_empty, load_demo
from bookwell.library.demo.people import DEMO_USERS

__all__ = ["DEMO_USERS", "is_empty", "load_demo"]
