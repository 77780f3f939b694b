"""The page behind the link of a confirmation mail."""

from types import MappingProxyType

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_http_methods

from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.errors import DomainError
from bookwell.kit.problems import status_of
from bookwell.library.accounts.errors import EmailTaken
from bookwell.library.accounts.headless import confirm_address, find_language_of_key
from bookwell.library.web.languages import language_of
from bookwell.library.web.link_page import Words, link_page

__all__ = ["WORDS", "urlpatterns"]

_TEMPLATE = "accounts/confirm_email.html"

WORDS: Words = MappingProxyType(
    {
        "en": {
            "title": "Confirm your e-mail address",
            "button": "This address is mine",
            "done": "Thank you. The address is confirmed.",
            "refused": "The link is no longer valid. Changing the address in your profile brings another one.",
            "taken": "Another account has this e-mail address.",
            "failed": "This did not work just now. Please try again in a minute.",
        },
        "pl": {
            "title": "Potwierdź adres e-mail",
            "button": "To mój adres",
            "done": "Dziękujemy. Adres został potwierdzony.",
            "refused": "Odnośnik stracił ważność. Nowy otrzymasz po zmianie adresu w swoim profilu.",
            "taken": "Ten adres e-mail należy już do innego konta.",
            "failed": "Tym razem się nie udało. Spróbuj ponownie za minutę.",
        },
        "ru": {
            "title": "Подтвердите адрес электронной почты",
            "button": "Это мой адрес",
            "done": "Спасибо. Адрес подтверждён.",
            "refused": "Ссылка больше не действительна. Новая придёт, если изменить адрес в своём профиле.",
            "taken": "Этот адрес электронной почты уже принадлежит другой учётной записи.",
            "failed": "Сейчас не получилось. Попробуйте ещё раз через минуту.",
        },
    }
)
_SERVER_ERROR = 500


@require_http_methods(["GET", "HEAD", "POST"])
def confirm_email(request: HttpRequest, key: str) -> HttpResponse:
    """Ask, then confirm, in the account's language, else the browser's: scanners open links, but press no buttons."""
    language = find_language_of_key(key) or language_of(request)
    if request.method != "POST":
        return _page(request, "asked", language)
    try:
        run_in_transaction(lambda: confirm_address(request, key=key))
    except DomainError as refusal:
        return _page(request, _state_of(refusal), language, status=status_of(refusal))
    return _page(request, "done", language)


def _state_of(refusal: DomainError) -> str:
    if status_of(refusal) >= _SERVER_ERROR:
        return "failed"
    return "taken" if isinstance(refusal, EmailTaken) else "refused"


def _page(request: HttpRequest, state: str, language: str, *, status: int = 200) -> HttpResponse:
    return link_page(request, _TEMPLATE, WORDS, state=state, language=language, status=status)


urlpatterns = [path("confirm-email/<str:key>/", confirm_email)]
