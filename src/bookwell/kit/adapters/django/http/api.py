"""Ninja's API with our conventions: strict parsing, every error a problem, an OpenAPI document that says so."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import structlog
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, RawPostDataException, UnreadablePostError
from django.urls import URLPattern, URLResolver
from django.utils.functional import SimpleLazyObject
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, Throttled, ValidationError, ValidationErrorContext
from ninja.operation import Operation
from ninja.throttling import BaseThrottle

from bookwell.contracts.problems import FieldProblem
from bookwell.kit.adapters.django.cache_failures import CACHE_ERRORS, CacheUnavailable
from bookwell.kit.adapters.django.failures import failure_of
from bookwell.kit.adapters.django.http import problems
from bookwell.kit.adapters.django.http.direct import asks_by_token, direct_run
from bookwell.kit.adapters.django.http.document import complete_document
from bookwell.kit.adapters.django.http.json_body import StrictParser
from bookwell.kit.errors import DomainError
from bookwell.kit.failures import DatabaseUnavailable, Failure
from bookwell.kit.http_errors import (
    AUTH_REQUIRED,
    BAD_REQUEST,
    INVALID,
    NOT_ACCEPTABLE,
    NOT_FOUND,
    TOO_LARGE,
    TOO_MANY_REQUESTS,
    HttpRefusal,
    kind_of_status,
)
from bookwell.kit.idempotency import TryAgain
from bookwell.kit.negotiation import accepts_json
from bookwell.kit.strict_json import MAX_INTEGER, pointer_of

__all__ = ["ProblemAPI"]

View = Callable[..., HttpResponse]

_log = structlog.get_logger()


class ProblemAPI(NinjaAPI):
    """A NinjaAPI whose every answer follows the conventions; routers need not know them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(parser=StrictParser(), **options)
        self._documents: dict[str, Any] = {}
        self._operation_ids: dict[int, str] = {}

    def create_temporal_response(self, request: HttpRequest) -> Any:
        """Ninja's hook: the response that an operation may ask for, made when one does; ours make their own."""
        return SimpleLazyObject(partial(super().create_temporal_response, request))

    def set_default_exception_handlers(self) -> None:
        """Ninja's hook: our handlers stand instead of its own."""
        super().set_default_exception_handlers()
        for kind, handler in _HANDLERS.items():
            self.add_exception_handler(kind, handler)
        self.add_exception_handler(AuthenticationError, self._on_authentication_error)
        self.add_exception_handler(DomainError, self._on_domain_error)

    def validation_error_from_error_contexts(
        self, error_contexts: list[ValidationErrorContext[Any]]
    ) -> ValidationError:
        """Ninja's hook.

        Raises:
            HttpRefusal: 404 where the path names nothing, else 422 with one entry per wrong field.
        """
        if any(context.model.__ninja_param_source__ == "path" for context in error_contexts):
            raise HttpRefusal(NOT_FOUND)
        raise HttpRefusal(INVALID, errors=tuple(error for context in error_contexts for error in _fields_of(context)))

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """The function's name; where one function serves several paths, all but the first add the path's last word."""
        if not self._operation_ids:
            self._name_operations()
        return self._operation_ids[id(operation)]

    def get_openapi_schema(self, *, path_prefix: str | None = None, path_params: Any = None) -> Any:
        """The document with problems and headers, made once a prefix."""
        prefix = path_prefix if path_prefix is not None else self.get_root_path(path_params or {})
        if prefix not in self._documents:
            self._show_names_as_sent()
            self._documents[prefix] = complete_document(super().get_openapi_schema(path_prefix=prefix))
        return self._documents[prefix]

    def _on_authentication_error(self, request: HttpRequest, _error: object) -> HttpResponse:
        if self._is_over_limit(request):  # whoever guesses tokens is counted by address
            return _throttled(request, Throttled(wait=None))
        challenge = 'Bearer error="invalid_token"' if "Authorization" in request.headers else "Bearer"
        return problems.kind_response(request, AUTH_REQUIRED, {"WWW-Authenticate": challenge})

    def _on_domain_error(self, request: HttpRequest, error: Any) -> HttpResponse:
        if not hasattr(request, "rate_limit_headers") and self._is_over_limit(request):
            return _throttled(request, Throttled(wait=None))  # refused by the authenticator, which comes before limits
        return _domain(request, error)

    def _is_over_limit(self, request: HttpRequest) -> bool:
        return isinstance(self.throttle, BaseThrottle) and not self.throttle.allow_request(request)

    def _show_names_as_sent(self) -> None:
        """Let the document use the aliases of fields, as the answers do; ninja's default is the attributes."""
        for bound_router in self._get_bound_routers():
            for view in bound_router.path_operations.values():
                for operation in view.operations:
                    operation.by_alias = True

    def _name_operations(self) -> None:
        taken: set[str] = set()
        for bound_router in self._get_bound_routers():
            for path, view in bound_router.path_operations.items():
                for operation in view.operations:
                    name = operation.view_func.__name__
                    if name in taken:
                        words = [word for word in f"{bound_router.prefix}/{path}".split("/") if word.isidentifier()]
                        name = f"{name}_{words[-1]}"
                    taken.add(name)
                    self._operation_ids[id(operation)] = name

    def _get_urls(self) -> list[URLResolver | URLPattern]:
        views = [view for bound in self._get_bound_routers() for view in bound.path_operations.values()]
        for operation in (operation for view in views for operation in view.operations):
            operation.run = direct_run(operation)  # type: ignore[method-assign]
        patterns = super()._get_urls()
        for pattern in patterns:
            if isinstance(pattern, URLPattern) and pattern.name not in {"openapi-view", "api-root"}:
                pattern.callback = _checked(pattern.callback)
        needs_no_page = [all(map(asks_by_token, view.operations)) for view in views for _ in view.operations]
        own = patterns[-1 - len(needs_no_page) : -1]  # behind the document's, before the root: ninja's order
        for pattern, is_pageless in zip(own, needs_no_page, strict=True):
            setattr(pattern.callback, "needs_no_page", is_pageless)  # noqa: B010 -- functions have no such attribute to mypy
        return patterns


def _checked(view: View) -> View:
    """The view behind what holds for every operation: JSON is accepted, numbers in the path fit a column."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not accepts_json(request.META.get("HTTP_ACCEPT", "")):
            return problems.kind_response(request, NOT_ACCEPTABLE)
        for value in kwargs.values():
            if value > MAX_INTEGER if isinstance(value, int) else "\0" in value:
                return problems.kind_response(request, NOT_FOUND)
        return view(request, *args, **kwargs)

    return checked


def _fields_of(context: ValidationErrorContext[Any]) -> list[FieldProblem]:
    source = context.model.__ninja_param_source__
    attribute = getattr(context.model, "__read_from_single_attr__", None)
    flattened = getattr(context.model, "__ninja_flatten_map_reverse__", {})
    found = []
    failure = context.pydantic_validation_error
    for error in failure.errors(include_url=False, include_input=False, include_context=False):
        place = flattened.get(error["loc"], error["loc"])
        code, detail = error["type"], error["msg"].removeprefix("Value error, ")
        if source == "body":
            path = place[1:] if attribute is not None and place[:1] == (attribute,) else place
            found.append(FieldProblem(code=code, detail=detail, pointer=pointer_of(path)))
        else:
            found.append(FieldProblem(code=code, detail=detail, parameter=str(place[-1]) if place else source))
    return found


def _domain(request: HttpRequest, error: DomainError) -> HttpResponse:
    return problems.problem_response(problems.domain_problem(request, error), problems.retry_headers(error))


def _throttled(request: HttpRequest, _error: Throttled) -> HttpResponse:
    seconds = getattr(request, "rate_limit_reset", 60)
    return problems.kind_response(request, TOO_MANY_REQUESTS, {"Retry-After": str(seconds)})


def _http(request: HttpRequest, error: HttpError) -> HttpResponse:
    if isinstance(error.__cause__, HttpRefusal):  # ninja wraps whatever its parser raises
        return problems.refusal_response(request, error.__cause__)
    return problems.kind_response(request, kind_of_status(error.status_code))


def _database(request: HttpRequest, error: OperationalError | InterfaceError) -> HttpResponse:
    failure = failure_of(error)
    if failure is Failure.BROKEN:
        raise error  # a fault of ours, such as a missing migration: logged and answered as one
    _log.error("database.unavailable", exc_info=error)
    return _domain(request, DatabaseUnavailable() if failure is Failure.UNREACHABLE else TryAgain())


def _cache(request: HttpRequest, error: Exception) -> HttpResponse:
    _log.error("cache.unavailable", exc_info=error)
    return _domain(request, CacheUnavailable())


def _kind(kind: Any) -> Callable[[HttpRequest, Exception], HttpResponse]:
    return lambda request, _error: problems.kind_response(request, kind)


_HANDLERS: dict[type[Exception], Any] = {
    HttpRefusal: problems.refusal_response,
    Throttled: _throttled,
    HttpError: _http,
    Http404: _kind(NOT_FOUND),
    RequestDataTooBig: _kind(TOO_LARGE),
    TooManyFieldsSent: _kind(BAD_REQUEST),
    UnreadablePostError: _kind(BAD_REQUEST),
    RawPostDataException: _kind(BAD_REQUEST),
    OperationalError: _database,
    InterfaceError: _database,
    **dict.fromkeys(CACHE_ERRORS, _cache),
}
