"""Links that turn a reader's reminders off without a log-in: they stand in mails, and mail programs call them."""

from django.conf import settings
from django.core.signing import BadSignature, Signer

from bookwell.library.accounts.errors import UnsubscribeLinkInvalid

__all__ = ["reader_id_of_token", "unsubscribe_url_of"]

_PURPOSE = "bookwell.unsubscribe"


def unsubscribe_url_of(reader_id: int) -> str:
    """The reader's link. It does not expire: a mail may be opened after years, and all it does is to leave alone."""
    return settings.UNSUBSCRIBE_URL.format(token=Signer(salt=_PURPOSE).sign(str(reader_id)))


def reader_id_of_token(token: str) -> int:
    """Whose link it is.

    Raises:
        UnsubscribeLinkInvalid
    """
    try:
        return int(Signer(salt=_PURPOSE).unsign(token))
    except (BadSignature, ValueError) as error:
        raise UnsubscribeLinkInvalid from error
