"""URLs of mail servers and addresses of people."""

import pytest

from bookwell.kit.addresses import AddressInvalid, parse_address
from bookwell.notifier.addresses import MailScheme, MailServer, parse_mail_url


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("", MailServer(MailScheme.FILES)),
        ("console://", MailServer(MailScheme.CONSOLE)),
        ("smtp://mail.example", MailServer(MailScheme.SMTP, "mail.example", 25)),
        (
            "smtp+starttls://a%40b:p%3Aw@mail.example",
            MailServer(MailScheme.STARTTLS, "mail.example", 587, "a@b", "p:w"),
        ),
        ("smtps://[::1]:4465", MailServer(MailScheme.SMTPS, "::1", 4465)),
    ],
)
def test_parse_mail_url__a_good_one__is_a_server(url: str, server: MailServer) -> None:
    assert parse_mail_url(url) == server


@pytest.mark.parametrize("url", ["http://mail.example", "smtp://", "mail.example", "smtp://x:y", "//mail.example:25"])
def test_parse_mail_url__no_such__is_refused(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- pydantic wraps it with the variable's name
        parse_mail_url(url)


def test_mail_server__shown__keeps_its_password() -> None:
    assert "hush" not in repr(parse_mail_url("smtp://ada:hush@mail.example"))


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("ada@example.org", "ada@example.org"),
        (" ada.l+b@example.org ", "ada.l+b@example.org"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
        ("ada@straße.example", "ada@xn--strae-oqa.example"),  # strasse.example is somebody else's
        ("ada@ςigma.example", "ada@xn--igma-fod.example"),
        ("żółw@example.org", "żółw@example.org"),
        ("root@localhost", "root@localhost"),
    ],
)
def test_parse_address__a_good_one__has_a_domain_in_ascii(text: str, parsed: str) -> None:
    assert str(parse_address(text)) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "", "ada", "@example.org", "ada@", "a@b@c", "a b@c", "ada@exa\nmple.org", "ada\r\nBcc: x@y.z", "a<b@c", "a,b@c",
        '"a b"@c', "ada@[127.0.0.1]", "a\0@c", "a\u2028@c", "a\ud800@c", "a" * 65 + "@c", "a@" + "b" * 300, "a@b..c",
        "ada@-", "ada@a_b.example",
    ],
)  # fmt: skip
def test_parse_address__what_could_break_a_header_or_reaches_nobody__is_refused(text: str) -> None:
    with pytest.raises(AddressInvalid):
        parse_address(text)
