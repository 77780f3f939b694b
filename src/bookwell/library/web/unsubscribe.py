"""The page behind a reminder's link to have no more of them; mail programs press its button themselves (RFC 8058)."""

from types import MappingProxyType

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.errors import DomainError
from bookwell.kit.problems import status_of
from bookwell.library.accounts.models import User
from bookwell.library.accounts.queries import get_user
from bookwell.library.accounts.services import change_user_in_tx
from bookwell.library.accounts.unsubscribing import reader_id_of_token
from bookwell.library.web.languages import language_of
from bookwell.library.web.link_page import Words, link_page

__all__ = ["WORDS", "urlpatterns"]

_TEMPLATE = "messages/unsubscribe.html"
_SERVER_ERROR = 500

WORDS: Words = MappingProxyType(
    {
        "en": {
            "title": "Reminders by mail",
            "asked": "Reminders before a pickup deadline or a due date are switched on for {name}.",
            "button": "Send me no more reminders",
            "done": "You get no more reminders. We still write when a copy is ready, or a loan is overdue.",
            "refused": "This link is not valid. You can also change this in your profile.",
            "failed": "This did not work just now. Please try again in a minute.",
        },
        "pl": {
            "title": "Przypomnienia pocztą",
            "asked": "Przypomnienia przed końcem terminu odbioru lub zwrotu są włączone dla konta {name}.",
            "button": "Nie wysyłajcie mi przypomnień",
            "done": "Nie będziemy wysyłać przypomnień. Nadal napiszemy, gdy egzemplarz będzie gotowy do odbioru "
            "lub gdy minie termin zwrotu.",
            "refused": "Ten odnośnik jest nieprawidłowy. Ustawienie można też zmienić w swoim profilu.",
            "failed": "Tym razem się nie udało. Spróbuj ponownie za minutę.",
        },
        "ru": {
            "title": "Напоминания по почте",
            "asked": "Напоминания о сроках получения и возврата книг включены для {name}.",
            "button": "Больше не присылать напоминаний",
            "done": "Напоминаний больше не будет. Мы по-прежнему сообщим, когда книга готова к выдаче "
            "или когда срок возврата прошёл.",
            "refused": "Эта ссылка недействительна. Настройку можно изменить и в своём профиле.",
            "failed": "Сейчас не получилось. Попробуйте ещё раз через минуту.",
        },
    }
)


@csrf_exempt  # the link's signature says who asks, and mail programs have no cookies
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Ask, then turn the reminders off, in the reader's language: scanners open links, but press no buttons."""
    try:
        reader = _reader_of(token)
        if request.method == "POST":
            run_in_transaction(lambda: _turn_off(reader.pk))
    except DomainError as refusal:
        state = "failed" if status_of(refusal) >= _SERVER_ERROR else "refused"
        return _page(request, state, language_of(request), status=status_of(refusal))
    state = "done" if request.method == "POST" or not reader.wants_reminders else "asked"
    return _page(request, state, reader.language, name=reader.username)


def _reader_of(token: str) -> User:
    return get_user(reader_id_of_token(token))


def _turn_off(reader_id: int) -> None:
    change_user_in_tx(
        user_id=reader_id,
        fields={"wants_reminders": False},
        actor_id=reader_id,
        is_admin=False,
        now=clock.now(),
    )


def _page(request: HttpRequest, state: str, language: str, *, name: str = "", status: int = 200) -> HttpResponse:
    return link_page(request, _TEMPLATE, WORDS, state=state, language=language, status=status, name=name)


urlpatterns = [path("unsubscribe/<str:token>/", unsubscribe)]
