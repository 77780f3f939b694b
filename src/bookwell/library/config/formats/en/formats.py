"""Instants with their zone. They are in UTC, where a deadline at Warsaw's midnight seems to be in the evening."""

DATETIME_FORMAT = "j M Y, H:i T"
SHORT_DATETIME_FORMAT = "Y-m-d H:i T"
