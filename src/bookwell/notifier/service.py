"""The notifier as a whole: takes messages in, sends them, forgets them."""

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from sqlalchemy import Connection

from bookwell.contracts.messages import PERSON_FORGOTTEN, ChannelName, Envelope
from bookwell.kit import clock
from bookwell.kit.jobs import repeated
from bookwell.notifier.addresses import MailScheme
from bookwell.notifier.channels.files import ConsoleTransport, FileTransport, mail_files, mail_name
from bookwell.notifier.channels.mail import MailChannel
from bookwell.notifier.channels.protocol import Channel, MailTransport
from bookwell.notifier.channels.sms import SmsChannel, SmsProvider
from bookwell.notifier.channels.smtp import SmtpTransport
from bookwell.notifier.channels.webhook import WebhookChannel
from bookwell.notifier.db import Database
from bookwell.notifier.deliveries.rules import WEBHOOK
from bookwell.notifier.deliveries.services.forget_person import BeingSent, forget_person_in_tx, suppress_forgotten
from bookwell.notifier.deliveries.services.record import forget_notices_in_tx, forget_rows_in_tx
from bookwell.notifier.deliveries.services.take_in import prepare_deliveries, take_in_in_tx
from bookwell.notifier.deliveries.services.tell_staff import tell_staff_in_tx
from bookwell.notifier.rendering import TEMPLATE_VERSIONS, render
from bookwell.notifier.sending import Pace, Render, Sender
from bookwell.notifier.settings import NotifierSettings

__all__ = ["Notifier"]

_SECONDS_AT_A_TIME = 20.0
_LEASE_IN_DEADLINES = 4
_CHANNEL_OF_QUEUE: Mapping[str, str] = MappingProxyType(
    {"mail": ChannelName.EMAIL.value, "sms": ChannelName.SMS.value, "webhook": WEBHOOK}
)


class Notifier:
    """One process's notifier; make it after a fork. Its methods may be called from several threads."""

    def __init__(
        self,
        settings: NotifierSettings,
        *,
        database: Database | None = None,
        channels: Mapping[str, Channel] | None = None,
        render: Render = render,
        template_versions: Mapping[str, int] = TEMPLATE_VERSIONS,
    ) -> None:
        self._settings = settings
        self.database = database or Database.of_url(settings.database_url)
        self._channels = _channels_of(settings) if channels is None else channels
        self._template_versions = template_versions
        self._senders = {
            channel: Sender(
                self.database,
                self._channels,
                channel=channel,
                render=render,
                mail_sender=settings.mail_from,
                pace=pace,
                on_gone=self._tell_staff,
            )
            for channel, pace in _paces_of(settings).items()
        }

    def take_in(self, envelopes: Sequence[Envelope]) -> None:
        """Make deliveries of messages, all or none, in one transaction; the ones it has already change nothing.

        Then forget the people whom messages say are forgotten.

        Raises:
            Poison: if one of them is no notice.
            BeingSent: if something is just being sent to somebody who is to be forgotten; then it comes again.
        """
        rows = prepare_deliveries(
            envelopes, channels=self._channels, template_versions=self._template_versions, now=clock.now()
        )
        if rows:
            self.database.write(lambda tx: take_in_in_tx(tx, suppress_forgotten(tx, rows)))
        for envelope in envelopes:
            if envelope.type == PERSON_FORGOTTEN:
                self._forget_person(envelope)

    def _forget_person(self, envelope: Envelope) -> None:
        forgotten, moving = self.database.write(lambda tx: forget_person_in_tx(tx, envelope, now=clock.now()))
        for delivery_id in forgotten:
            (self._settings.mail_folder / mail_name(delivery_id)).unlink(missing_ok=True)
        if moving:
            raise BeingSent(moving)

    def _tell_staff(self, connection: Connection, endpoint: str, now: dt.datetime) -> None:
        """An endpoint has just said that it is gone; without an address the log alone says so."""
        if staff := self._settings.staff:
            versions = self._template_versions
            tell_staff_in_tx(connection, staff, endpoint=endpoint, template_versions=versions, now=now)

    def deliver(self, envelopes: Sequence[Envelope]) -> None:
        """Send what one queue just brought in over the queue's channel, without waiting for its turn among the due."""
        channel = _CHANNEL_OF_QUEUE.get(envelopes[0].queue, ChannelName.EMAIL.value)
        self._senders[channel].send_of(envelopes, seconds=_SECONDS_AT_A_TIME)

    def deliver_due(self, *, channel: str = ChannelName.EMAIL.value, seconds: float = _SECONDS_AT_A_TIME) -> int:
        """Send what is due over one channel, for about so many seconds at most (one deadline may come on top).

        Answers how many deliveries ended or were tried.
        """
        return self._senders[channel].send_due(seconds=seconds)

    def forget(self) -> int:
        """Forget what messages said after `mail_days`, and that they were sent after `delivery_days`; how many."""
        now = clock.now()
        notices_before = now - dt.timedelta(days=self._settings.mail_days)
        rows_before = now - dt.timedelta(days=self._settings.delivery_days)
        forgotten = repeated(
            lambda: len(self.database.write(lambda tx: forget_notices_in_tx(tx, ended_before=notices_before))),
            lambda: self.database.write(lambda tx: forget_rows_in_tx(tx, ended_before=rows_before)),
        )
        self._forget_files()
        return forgotten

    def _forget_files(self) -> None:
        """By the machine's time, which their dates are in: a demo whose clock is moved keeps its mails."""
        oldest = time.time() - dt.timedelta(days=self._settings.mail_days).total_seconds()
        for file in mail_files(self._settings.mail_folder):
            if file.stat().st_mtime < oldest:
                file.unlink(missing_ok=True)

    def close(self) -> None:
        """Close connections to the database and to servers."""
        for channel in self._channels.values():
            channel.close()
        self.database.engine.dispose()


def _channels_of(settings: NotifierSettings) -> Mapping[str, Channel]:
    channels: dict[str, Channel] = {
        ChannelName.EMAIL.value: MailChannel(_transport_of(settings), sender=settings.mail_from),
        WEBHOOK: WebhookChannel(settings.endpoints(), deadline_seconds=settings.webhook_deadline_seconds),
    }
    if settings.sms_url.get_secret_value():
        provider = _provider_of(settings)
        channels[ChannelName.SMS.value] = SmsChannel(provider, deadline_seconds=settings.sms_deadline_seconds)
    return channels


def _paces_of(settings: NotifierSettings) -> Mapping[str, Pace]:
    return {
        ChannelName.EMAIL.value: Pace(
            settings.smtp_deadline_seconds, settings.mail_lease_seconds, settings.mail_per_second
        ),
        ChannelName.SMS.value: _pace(settings.sms_deadline_seconds, settings.sms_per_second),
        WEBHOOK: _pace(settings.webhook_deadline_seconds, settings.webhook_per_second),
    }


def _pace(deadline_seconds: float, per_second: float) -> Pace:
    return Pace(deadline_seconds, _LEASE_IN_DEADLINES * deadline_seconds, per_second)


def _provider_of(settings: NotifierSettings) -> SmsProvider:
    return SmsProvider(
        url=settings.sms_url.get_secret_value(),
        method=settings.sms_method,
        is_json=settings.sms_format == "json",
        to_field=settings.sms_to_field,
        text_field=settings.sms_text_field,
        from_field=settings.sms_from_field,
        sender=settings.sms_from,
        id_field=settings.sms_id_field,
        auth_header=settings.sms_auth_header,
        auth=settings.sms_auth.get_secret_value(),
    )


def _transport_of(settings: NotifierSettings) -> MailTransport:
    server = settings.mail_server
    if server.scheme is MailScheme.FILES:
        return FileTransport(settings.mail_folder)
    if server.scheme is MailScheme.CONSOLE:
        return ConsoleTransport()
    return SmtpTransport(server, deadline_seconds=settings.smtp_deadline_seconds)
