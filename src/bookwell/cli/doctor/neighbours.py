"""Checks of everybody else whom the settings name: the mail server, partner libraries, issuers, webhook endpoints."""

import os
import smtplib
from collections.abc import Iterator, Mapping
from functools import partial
from urllib.parse import urlsplit

import httpx2

from bookwell.cli.doctor.findings import Check, Finding, failed, fine, warning
from bookwell.cli.doctor.site import Site
from bookwell.kit.issuers import NamedIssuer
from bookwell.kit.jwks import fetch_key_set
from bookwell.kit.production import insecure_url, is_loopback
from bookwell.kit.settings import CommonSettings, InvalidSettings

__all__ = ["neighbour_checks"]

_SECONDS = 4.0


def neighbour_checks(site: Site) -> Mapping[str, Check]:
    """The checks of what is named."""
    checks: dict[str, Check] = {}
    if (settings := site.settings.get("notifier")) is not None:
        checks["mail server"] = partial(_mail, settings)
        checks["webhooks"] = partial(_webhooks, settings)
    if (settings := site.settings.get("partners")) is not None:
        checks["partners"] = partial(_partners, settings)
    for issuer in site.common.named_issuers:
        checks[f"issuer {issuer.issuer}"] = partial(_issuer, issuer, is_library=False)
    own = next(each for each in site.common.issuers_with_library if each.issuer == site.common.library_token_issuer)
    if "library" in site.settings and own not in site.common.named_issuers:
        checks[f"issuer {own.issuer}"] = partial(_issuer, own, is_library=True)
    return checks


def _mail(settings: CommonSettings) -> Iterator[Finding]:
    from bookwell.notifier.addresses import MailScheme  # noqa: PLC0415 -- needs the extra
    from bookwell.notifier.channels.smtp import greet  # noqa: PLC0415 -- the same
    from bookwell.notifier.settings import NotifierSettings  # noqa: PLC0415 -- the same

    check = "mail server"
    assert isinstance(settings, NotifierSettings)  # noqa: S101 -- for the types
    server = settings.mail_server
    if server.scheme in {MailScheme.FILES, MailScheme.CONSOLE}:
        yield fine(check, "none; mails are " + ("printed" if server.scheme is MailScheme.CONSOLE else "files"))
        return
    try:
        greet(server, deadline_seconds=_SECONDS)
    except smtplib.SMTPAuthenticationError as error:
        yield failed(
            check, f"refuses the log-in ({error.smtp_code})", "set user and password in BOOKWELL_SMTP_URL right"
        )
        return
    except smtplib.SMTPNotSupportedError as error:
        yield failed(
            check, f"cannot do what is asked: {error}", "choose smtp://, smtp+starttls:// or smtps:// as it does"
        )
        return
    except (smtplib.SMTPException, OSError) as error:
        advice = "set BOOKWELL_SMTP_URL right, or ask whoever runs the server; mails wait meanwhile"
        yield failed(check, f"{server.host}:{server.port} does not serve: {type(error).__name__} {error}", advice)
        return
    login = "log-in accepted" if server.username else "no log-in"
    yield fine(check, f"{server.host}:{server.port} serves, {server.scheme}, {login}")


def _webhooks(settings: CommonSettings) -> Iterator[Finding]:
    from bookwell.notifier.settings import NotifierSettings  # noqa: PLC0415 -- needs the extra

    check = "webhooks"
    assert isinstance(settings, NotifierSettings)  # noqa: S101 -- for the types
    try:
        endpoints = settings.endpoints()
    except (OSError, ValueError) as error:
        yield failed(check, f"the file of endpoints: {error}", "set it right; docs/back-office.md tells how it looks")
        return
    yield fine(check, f"{len(endpoints)} endpoints" + (f": {', '.join(endpoints)}" if endpoints else ""))
    if endpoints and settings.staff is None:
        advice = "set BOOKWELL_STAFF_EMAIL: an endpoint that is gone gets nothing until somebody enables it"
        yield warning(check, "nobody would hear that one of them is gone", advice)


def _partners(settings: CommonSettings) -> Iterator[Finding]:
    from bookwell.partners.configuration import read_configuration  # noqa: PLC0415 -- needs the extra
    from bookwell.partners.settings import PartnersSettings  # noqa: PLC0415 -- the same
    from bookwell.partners.simulated import simulated_partners  # noqa: PLC0415 -- the same

    assert isinstance(settings, PartnersSettings)  # noqa: S101 -- for the types
    simulated = simulated_partners(settings.simulators)
    try:
        entries = read_configuration(
            settings.partners_config, environ=os.environ | simulated.environ, default=simulated.configuration
        )
    except InvalidSettings as error:
        for line in str(error).splitlines():
            yield failed("partners", line, "set the file right; docs/partners.md tells every key")
        return
    for entry in entries:
        servers = {urlsplit(url)[:2]: url for url in entry.options.addresses()}
        for url in servers.values():
            yield from _partner(f"partner {entry.name}", url, is_simulated=settings.partners_config is None)
    if not entries:
        yield warning("partners", "the file names none", "add your partners, or stop the service")


def _partner(check: str, url: str, *, is_simulated: bool) -> Iterator[Finding]:
    host = urlsplit(url).hostname or ""
    if (problem := insecure_url(url)) and not is_simulated:
        yield warning(check, f"{host}: {problem}", "ask the partner for an https address")
    try:
        with httpx2.Client(timeout=_SECONDS, trust_env=not is_loopback(host)) as client:
            status = client.get(url).status_code
    except httpx2.HTTPError as error:
        words = f"{host} does not answer: {type(error).__name__}"
        if is_simulated:
            yield warning(check, words, "it is a simulator: bookwell up starts it, or bookwell serve simulators")
        else:
            advice = "is the address right, and does a firewall let us out? Until then its books are unknown"
            yield failed(check, words, advice)
        return
    if status >= httpx2.codes.INTERNAL_SERVER_ERROR:
        yield warning(check, f"{host} answers {status}", "tell whoever runs it")
    else:
        yield fine(check, f"{host} answers")


def _issuer(issuer: NamedIssuer, *, is_library: bool) -> Iterator[Finding]:
    check = f"issuer {issuer.issuer}"
    try:
        count = len(fetch_key_set(issuer.issuer, jwks_url=issuer.jwks_url)["keys"])
    except (httpx2.HTTPError, ValueError, LookupError, TypeError) as error:
        words = f"its keys cannot be had: {type(error).__name__}"
        if is_library:
            yield warning(check, words, "start the library; BOOKWELL_LIBRARY_URL is where services here look for it")
        else:
            yield failed(check, words, "set BOOKWELL_ISSUERS right; until then its tokens are refused")
        return
    yield fine(check, f"publishes {count} keys")
