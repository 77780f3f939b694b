"""The notifier's settings from the environment."""

import os
from collections.abc import Iterator, Mapping
from email.utils import parseaddr
from pathlib import Path
from types import MappingProxyType
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from bookwell.kit.addresses import AddressInvalid, parse_address
from bookwell.kit.languages import LANGUAGES
from bookwell.kit.production import insecure_url, open_password
from bookwell.kit.setting_urls import DatabaseUrl, WebUrl, url_of_file
from bookwell.kit.settings import CommonSettings, Role
from bookwell.notifier.addresses import MailServer, parse_mail_url
from bookwell.notifier.deliveries.services.tell_staff import Staff
from bookwell.notifier.endpoints import Endpoint, parse_endpoints

__all__ = ["NotifierSettings"]

_LEAST_LEASE = 1.5  # deadlines in a lease: a lease that a slow server outlasts would send the mail twice


class NotifierSettings(CommonSettings):
    """`BOOKWELL_{NOTIFIER,MAIL,SMS,STAFF}_*`, `BOOKWELL_WEBHOOK*` and what every service reads."""

    notifier_database_url: DatabaseUrl = Field(
        default="", description="The notifier's; empty: a file of the data folder"
    )
    notifier_url: WebUrl = Field(default="", description="Where the notifier answers; empty: its port on loopback")
    notifier_hosts: str = Field(
        default="localhost,127.0.0.1,[::1]", description="Names by which the notifier may be asked, with commas"
    )
    mail_port: int = Field(default=8025, ge=1, le=65535, description="Where the notifier listens")
    smtp_url: SecretStr = Field(
        default=SecretStr(""),
        description="As in smtp+starttls://user:password@mail.example.org; empty: mails become files",
    )
    smtp_deadline_seconds: float = Field(
        default=20, gt=0, description="For one mail, from connecting to the last answer"
    )
    mail_from: str = Field(default="Bookwell <bookwell@localhost>", description="Whom mails are from")
    mail_per_second: float = Field(default=0, ge=0, le=1000, description="Of all processes together; 0: no limit")
    mail_lease_seconds: float = Field(default=60, gt=0, description="Then a mail whose sender died is sent again")
    mail_days: int = Field(default=30, ge=1, description="How long the content of what was sent is kept")
    delivery_days: int = Field(default=400, ge=1, description="How long it is kept that something was sent")
    sms_url: SecretStr = Field(default=SecretStr(""), description="The provider's; without one there are no SMS")
    sms_method: Literal["POST", "PUT", "GET"] = Field(default="POST", description="How the provider is called")
    sms_format: Literal["json", "form"] = Field(default="json", description="Of the body; GET puts fields into the URL")
    sms_to_field: str = Field(default="to", min_length=1, description="The provider's name for the number")
    sms_text_field: str = Field(default="text", min_length=1, description="The provider's name for the text")
    sms_from_field: str = Field(default="", description="The provider's name for the sender, if it wants one")
    sms_from: str = Field(default="", description="Whom the SMS is from, where the provider wants to be told")
    sms_id_field: str = Field(default="", description="The provider's name for a reference by which it knows a copy")
    sms_auth_header: str = Field(
        default="Authorization", pattern=r"^[A-Za-z0-9-]+$", description="By which header the provider knows you"
    )
    sms_auth: SecretStr = Field(default=SecretStr(""), description="The header's value, as in: Bearer abc")
    sms_deadline_seconds: float = Field(default=15, gt=0, description="For one call of the provider")
    sms_per_second: float = Field(default=0, ge=0, le=1000, description="Of all processes together; 0: no limit")
    webhooks_file: Path | None = Field(default=None, description="Default: webhooks.toml in the data folder, if any")
    webhook_deadline_seconds: float = Field(default=15, gt=0, description="For one call of an endpoint")
    webhook_per_second: float = Field(default=0, ge=0, le=1000, description="Of all processes together; 0: no limit")
    staff_email: str = Field(default="", description="Who hears that a webhook endpoint is gone; the log alone without")
    staff_language: str = Field(default=LANGUAGES[0], description="Of mails to staff: " + ", ".join(LANGUAGES))

    @field_validator("smtp_url")
    @classmethod
    def _check_smtp_url(cls, url: SecretStr) -> SecretStr:
        parse_mail_url(url.get_secret_value())
        return url

    @field_validator("sms_url")
    @classmethod
    def _check_sms_url(cls, url: SecretStr) -> SecretStr:
        parts = urlsplit(url.get_secret_value())
        if url.get_secret_value() and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise ValueError("is no http or https URL")
        return url

    @field_validator("sms_auth")
    @classmethod
    def _check_sms_auth(cls, auth: SecretStr) -> SecretStr:
        value = auth.get_secret_value()
        if not (value.isascii() and (value.isprintable() or not value)):
            raise ValueError("is no value of a header")
        return auth

    @field_validator("staff_email")
    @classmethod
    def _check_staff_email(cls, email: str) -> str:
        return str(parse_address(email)) if email else email

    @field_validator("staff_language")
    @classmethod
    def _check_staff_language(cls, language: str) -> str:
        if language not in LANGUAGES:
            raise ValueError(f"is none of {', '.join(LANGUAGES)}")
        return language

    @field_validator("mail_from")
    @classmethod
    def _check_mail_from(cls, sender: str) -> str:
        """The sender with its domain in ASCII: not every server that mails go through takes another."""
        name, written = parseaddr(sender)
        try:
            address = parse_address(written)
        except AddressInvalid:
            raise ValueError("is no address, as in: Library <library@example.org>") from None
        if not sender.isprintable():
            raise ValueError("is no address, as in: Library <library@example.org>")
        if not address.is_ascii:
            raise ValueError("is an address that many servers cannot take: letters before the @ are to be ASCII")
        quoted = name.replace("\\", r"\\").replace('"', r"\"")
        if str(address) == written:
            return sender
        return f'"{quoted}" <{address}>' if name else str(address)

    def _contradictions(self) -> Iterator[str]:
        yield from super()._contradictions()
        if self.mail_lease_seconds < _LEAST_LEASE * self.smtp_deadline_seconds:
            yield "BOOKWELL_MAIL_LEASE_SECONDS: must be half as long again as the deadline, at least"
        try:
            self.endpoints()
        except (OSError, ValueError) as error:
            yield f"BOOKWELL_WEBHOOKS_FILE: {error}"

    def _missing_in_production(self) -> Iterator[str]:
        yield from super()._missing_in_production()
        if not self.notifier_database_url:
            yield "BOOKWELL_NOTIFIER_DATABASE_URL: needed in production"

    def missing_for(self, role: Role) -> Iterator[str]:
        """Who sends: the worker. The server tells what became of it."""
        yield from super().missing_for(role)
        if role != "worker":
            return
        if not self.smtp_url.get_secret_value():
            yield "BOOKWELL_SMTP_URL: needed in production, as in smtp+starttls://user:password@mail.example.org"
        if self.mail_from == type(self).model_fields["mail_from"].default:
            yield "BOOKWELL_MAIL_FROM: needed in production, as in: City Library <library@example.org>"

    def _forbidden_in_production(self) -> Iterator[str]:
        yield from super()._forbidden_in_production()
        if problem := insecure_url(self.sms_url.get_secret_value()):
            yield f"BOOKWELL_SMS_URL: {problem}"

    def weak_secrets(self) -> Iterator[str]:
        """The mail server's password besides, where others could overhear it."""
        yield from super().weak_secrets()
        if problem := open_password(self.smtp_url.get_secret_value()):
            yield f"BOOKWELL_SMTP_URL: {problem}"

    def own_databases(self) -> Iterator[tuple[str, str]]:
        """Its one database."""
        yield "BOOKWELL_NOTIFIER_DATABASE_URL", self.database_url

    @property
    def database_url(self) -> str:
        """The configured database, or the embedded one in the data folder."""
        return self.notifier_database_url or url_of_file(self.data_dir / "notifier.sqlite3")

    @property
    def hosts(self) -> list[str]:
        """By which names the service may be asked: no page that rebinds its name to this machine reads mails."""
        return [host.strip() for host in self.notifier_hosts.split(",") if host.strip()]

    @property
    def mail_server(self) -> MailServer:
        """Where mails go."""
        return parse_mail_url(self.smtp_url.get_secret_value())

    @property
    def staff(self) -> Staff | None:
        """Who is told what only staff can set right."""
        return Staff(self.staff_email, self.staff_language) if self.staff_email else None

    @property
    def mail_folder(self) -> Path:
        """Where mails lie as files when there is no mail server."""
        return self.data_dir / "mails"

    def endpoints(self) -> Mapping[str, Endpoint]:
        """The webhook endpoints, by name, read from their file now.

        Raises:
            EndpointInvalid, OSError
        """
        file = self.webhooks_file or self.data_dir / "webhooks.toml"
        if self.webhooks_file is None and not file.is_file():
            return MappingProxyType({})
        return parse_endpoints(file.read_text(encoding="utf-8"), environ=os.environ, folder=file.parent)
