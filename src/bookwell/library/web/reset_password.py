"""The page behind the link that sets a forgotten password.

The token stands in the query, which Django's own records of failures leave out, and the form sends it in its body: no
answer but the first page has it in its address. The page tells no other where its reader comes from.
"""

from collections.abc import Sequence
from types import MappingProxyType

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.errors import DomainError
from bookwell.kit.problems import status_of
from bookwell.library.accounts.errors import PasswordRefused
from bookwell.library.accounts.models import User
from bookwell.library.accounts.passwords import LONGEST_PASSWORD, hash_password_of_link
from bookwell.library.accounts.queries import find_user_of_reset_token
from bookwell.library.accounts.services import reset_password
from bookwell.library.web.languages import language_of
from bookwell.library.web.link_page import Words, link_page, words_in

__all__ = ["WORDS", "urlpatterns"]

_TEMPLATE = "accounts/reset_password.html"
_SERVER_ERROR = 500
_REFUSED = 422

WORDS: Words = MappingProxyType(
    {
        "en": {
            "title": "Choose a new password",
            "account": "Account",
            "password": "New password",
            "again": "The same once more",
            "button": "Set this password",
            "different": "The two passwords are not the same.",
            "too_long": "The password is too long.",
            "done": "The new password is set. Whoever was logged in with the old one no longer is.",
            "refused": "The link is no longer valid. Please ask for another one.",
            "another": "Send me another link",
            "failed": "This did not work just now. Please try again in a minute.",
        },
        "pl": {
            "title": "Ustaw nowe hasło",
            "account": "Konto",
            "password": "Nowe hasło",
            "again": "Powtórz hasło",
            "button": "Ustaw to hasło",
            "different": "Podane hasła różnią się od siebie.",
            "too_long": "Hasło jest za długie.",
            "done": "Nowe hasło zostało ustawione. Wszystkie dotychczasowe sesje zostały zakończone.",
            "refused": "Odnośnik stracił ważność. Poproś o nowy.",
            "another": "Wyślij nowy odnośnik",
            "failed": "Tym razem się nie udało. Spróbuj ponownie za minutę.",
        },
        "ru": {
            "title": "Задайте новый пароль",
            "account": "Учётная запись",
            "password": "Новый пароль",
            "again": "Новый пароль ещё раз",
            "button": "Задать этот пароль",
            "different": "Пароли не совпадают.",
            "too_long": "Пароль слишком длинный.",
            "done": "Новый пароль задан. Все прежние сеансы завершены.",
            "refused": "Ссылка больше не действительна. Запросите новую.",
            "another": "Прислать новую ссылку",
            "failed": "Сейчас не получилось. Попробуйте ещё раз через минуту.",
        },
    }
)


@csrf_exempt  # the token says who asks; without a referrer Django's own check would refuse every browser
@require_http_methods(["GET", "HEAD", "POST"])
def reset_password_page(request: HttpRequest) -> HttpResponse:
    """Ask for the password, then set it, in the account's language: scanners open links, but fill in no forms."""
    sent = request.POST if request.method == "POST" else request.GET
    token = sent.get("token", "")
    user = find_user_of_reset_token(token)
    if user is None:
        return _page(request, "refused", language_of(request), status=_REFUSED)
    if request.method != "POST":
        return _form(request, user, token)
    problems = _problems_of(user, request.POST.get("password", ""), request.POST.get("again", ""))
    if problems:
        return _form(request, user, token, problems)
    return _set(request, user, token, request.POST["password"])


def _problems_of(user: User, password: str, again: str) -> list[str]:
    words = words_in(WORDS, user.language)
    found = {"different": password != again, "too_long": len(password) > LONGEST_PASSWORD}
    return [words[name] for name, is_so in found.items() if is_so]


def _set(request: HttpRequest, user: User, token: str, password: str) -> HttpResponse:
    try:
        with translation.override(user.language):
            password_hash = hash_password_of_link(password, token=token)
        now = clock.now()
        run_in_transaction(lambda: reset_password(token=token, password_hash=password_hash, now=now))
    except PasswordRefused as refusal:
        return _form(request, user, token, [error.detail for error in refusal.errors])
    except DomainError as refusal:
        state = "failed" if status_of(refusal) >= _SERVER_ERROR else "refused"
        return _page(request, state, user.language, status=status_of(refusal))
    return _page(request, "done", user.language)


def _form(request: HttpRequest, user: User, token: str, problems: Sequence[str] = ()) -> HttpResponse:
    content = {"token": token, "username": user.username, "problems": problems}
    return _page(request, "asked", user.language, status=_REFUSED if problems else 200, **content)


def _page(request: HttpRequest, state: str, language: str, *, status: int = 200, **content: object) -> HttpResponse:
    response = link_page(request, _TEMPLATE, WORDS, state=state, language=language, status=status, **content)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


urlpatterns = [path("reset-password/", reset_password_page, name="reset-password")]
