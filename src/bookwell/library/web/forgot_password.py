"""The page that asks for the link which sets a forgotten password; the admin's log-in leads to it.

It says the same whether or not an account has the address, as the API does, and by the same limits.
"""

from types import MappingProxyType

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_http_methods

from bookwell.kit import clock
from bookwell.kit.adapters.django.http.throttle import client_address
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.errors import DomainError
from bookwell.kit.http_errors import HttpRefusal
from bookwell.kit.problems import status_of
from bookwell.library.accounts.mail_limits import MailKind, count_asking, may_mail
from bookwell.library.accounts.mailboxes import kept_address
from bookwell.library.accounts.services import offer_password_reset
from bookwell.library.web.languages import language_of
from bookwell.library.web.link_page import Words, link_page

__all__ = ["WORDS", "urlpatterns"]

_TEMPLATE = "accounts/forgot_password.html"
_REFUSED = 422

WORDS: Words = MappingProxyType(
    {
        "en": {
            "title": "Forgotten your password?",
            "email": "The e-mail address of your account",
            "button": "Send me a link",
            "no_address": "This is no e-mail address.",
            "done": "If an account has confirmed this address, a link that sets a new password is on its way there. "
            "It is good for an hour. If nothing comes, please ask at your library.",
            "too_many": "Links have been asked for too often from your network. Please try again in an hour.",
            "failed": "This did not work just now. Please try again in a minute.",
        },
        "pl": {
            "title": "Nie pamiętasz hasła?",
            "email": "Adres e-mail Twojego konta",
            "button": "Wyślij odnośnik",
            "no_address": "To nie jest adres e-mail.",
            "done": "Jeśli ten adres jest potwierdzony na jakimś koncie, wysłaliśmy na niego odnośnik do ustawienia "
            "nowego hasła. Odnośnik działa przez godzinę. Jeśli nic nie przyjdzie, zapytaj w bibliotece.",
            "too_many": "Z Twojej sieci zbyt często proszono o odnośniki. Spróbuj ponownie za godzinę.",
            "failed": "Tym razem się nie udało. Spróbuj ponownie za minutę.",
        },
        "ru": {
            "title": "Забыли пароль?",
            "email": "Адрес электронной почты вашей учётной записи",
            "button": "Прислать ссылку",
            "no_address": "Это не адрес электронной почты.",
            "done": "Если этот адрес подтверждён в одной из учётных записей, мы отправили на него ссылку, по которой "
            "можно задать новый пароль. Она действует один час. Если письмо не придёт, обратитесь в библиотеку.",
            "too_many": "Из вашей сети слишком часто запрашивали ссылки. Попробуйте ещё раз через час.",
            "failed": "Сейчас не получилось. Попробуйте ещё раз через минуту.",
        },
    }
)


@require_http_methods(["GET", "HEAD", "POST"])
def forgot_password_page(request: HttpRequest) -> HttpResponse:
    """Ask for the address, then have the link sent, in the browser's language: nobody knows yet who asks."""
    if request.method != "POST":
        return _page(request, "asked")
    typed = request.POST.get("email", "").strip()
    email = kept_address(typed)
    if not email:
        return _page(request, "asked", status=_REFUSED, typed=typed, is_wrong=True)
    try:
        _send_link(email, address=client_address(request))
    except HttpRefusal as refusal:
        response = _page(request, "too_many", status=refusal.kind.status)
        response.headers["Retry-After"] = refusal.headers["Retry-After"]
        return response
    except DomainError as refusal:
        return _page(request, "failed", status=status_of(refusal))
    return _page(request, "done")


def _send_link(email: str, *, address: str) -> None:
    count_asking(address)
    if may_mail(MailKind.PASSWORD_RESET, email):
        now = clock.now()
        run_in_transaction(lambda: offer_password_reset(email=email, now=now))


def _page(request: HttpRequest, state: str, *, status: int = 200, **content: object) -> HttpResponse:
    language = language_of(request)
    return link_page(request, _TEMPLATE, WORDS, state=state, language=language, status=status, **content)


# By this name the template of the admin's log-in looks for it.
urlpatterns = [path("forgot-password/", forgot_password_page, name="admin_password_reset")]
