"""Reservations on the way to somebody else: to the library service, and holds to partners."""
