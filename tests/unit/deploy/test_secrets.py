"""Which container is told which secret: this one list, and nothing else, in the demo and in production."""

from collections.abc import Iterator
from itertools import chain

import pytest
import yaml

from tests.composition import DEMO, PRODUCTION, Composition

# Passwords of .env: whose value finds its way into a container.
LIBRARY, LOGS = "MYSQL_PASSWORD", "LOGS_PASSWORD"
TABLES, NOTIFIER, SUPERUSER = "TABLES_PASSWORD", "NOTIFIER_PASSWORD", "POSTGRES_PASSWORD"
REDIS, BROKER, MAIL = "REDIS_PASSWORD", "RABBITMQ_PASSWORD", "BOOKWELL_SMTP_URL"
PASSWORDS = (LIBRARY, LOGS, TABLES, NOTIFIER, SUPERUSER, REDIS, BROKER, MAIL)
# Files of ./secrets, by their names in the overlay; the last two are of variables.
KEY, LIBRARY_KEYS, TABLES_KEYS, DECISIONS = "secret_key", "library_keys", "tables_keys", "decision_secrets"
PARTNERS, WEBHOOKS = {"partners", "./secrets/partners.env"}, {"webhooks", "./secrets/webhooks.env"}

SEES = {
    # An operator's commands run here: a backup, the doctor.
    "prepare": {
        *(LIBRARY, LOGS, TABLES, NOTIFIER, REDIS, BROKER, MAIL),
        *(KEY, LIBRARY_KEYS, TABLES_KEYS, DECISIONS, *PARTNERS, *WEBHOOKS),
    },
    "library": {LIBRARY, LOGS, REDIS, KEY, LIBRARY_KEYS},
    "partners": {LOGS, REDIS, KEY, *PARTNERS},
    "tables": {TABLES, LOGS, REDIS, KEY, TABLES_KEYS, DECISIONS},
    "notifier": {NOTIFIER, REDIS},
    "relay": {LIBRARY, TABLES, LOGS, BROKER},
    "scheduler": {LOGS, BROKER},
    # It asks the partners service in the library's name, by a token that it signs.
    "worker-library": {LIBRARY, LOGS, BROKER, KEY, LIBRARY_KEYS},
    "worker-tables": {TABLES, LOGS, BROKER},
    # It gives receipts to the outboxes of library and tables.
    "worker-notifier": {NOTIFIER, LIBRARY, TABLES, LOGS, BROKER, MAIL, *WEBHOOKS},
    "mysql": {LIBRARY, LOGS},
    "postgresql": {SUPERUSER, TABLES, NOTIFIER},
    "redis": {REDIS},
    "rabbitmq": {BROKER},
}
IN_FILES = {KEY, LIBRARY_KEYS, TABLES_KEYS, DECISIONS, *PARTNERS, *WEBHOOKS}
CHOSEN = {name: f"the-value-of-{name}" for name in PASSWORDS} | {
    "BOOKWELL_LIBRARY_URL": "https://library.example.org",
    "BOOKWELL_TABLES_URL": "https://tables.example.org",
    "BOOKWELL_MAIL_FROM": "City Library <library@example.org>",
}


def told(composition: Composition, service: str) -> Iterator[str]:
    document = composition.all_services[service]
    words = yaml.safe_dump(document)
    yield from (name for name in PASSWORDS if CHOSEN[name] in words)
    yield from document.get("secrets", [])
    yield from (each["path"] for each in document.get("env_file", []))


@pytest.mark.parametrize("service", SEES)
def test_production__a_service__is_told_its_secrets_and_no_other(service: str) -> None:
    assert set(told(Composition.read(PRODUCTION, CHOSEN), service)) == SEES[service]


@pytest.mark.parametrize("service", SEES)
def test_demo__a_service__is_told_the_same_passwords(service: str) -> None:
    assert set(told(Composition.read(DEMO, CHOSEN), service)) == SEES[service] - IN_FILES


@pytest.mark.parametrize("files", [DEMO, PRODUCTION])
def test_everybody_else__is_told_none(files: tuple[str, ...]) -> None:
    composition = Composition.read(files, CHOSEN)

    others = composition.all_services.keys() - SEES.keys()

    assert {name: found for name in others if (found := set(told(composition, name)))} == {}


def test_secrets__every_one_has_somebody_who_needs_it() -> None:
    named = set(Composition.read(PRODUCTION, CHOSEN).document["secrets"])

    assert named | set(PASSWORDS) <= set(chain.from_iterable(SEES.values()))
