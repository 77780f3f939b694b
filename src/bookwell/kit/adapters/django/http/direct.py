"""Ninja's operations, run in fewer steps than ninja runs any operation.

Ninja stays who knows them: it writes the document, reads what is no body, and tells what is wrong with a request. Who
calls, how often, and what a body says is asked in the same order as ninja does.
"""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja.errors import AuthenticationError, Throttled
from ninja.operation import Operation
from ninja.utils import is_async_callable
from pydantic import ValidationError

from bookwell.kit.request_types import StrictBody

__all__ = ["asks_by_token", "direct_run"]

Run = Callable[..., HttpResponseBase]


def asks_by_token(operation: Operation) -> bool:
    """Whether nobody is answered without being asked for a token, so that nothing of a browser's session matters."""
    return bool(operation.auth_callbacks)


def direct_run(operation: Operation) -> Run:
    """What stands in for the operation's `run`; that itself, where the operation is not of a kind that this knows."""
    is_known = not (operation.is_async or operation.stream_format or operation.signature.response_arg)
    callers = operation.auth_callbacks
    if not is_known or len(callers) > 1 or any(is_async_callable(find) for find in callers):
        return operation.run
    return _DirectRun(operation)


class _DirectRun:
    """Runs one operation."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._find_caller = next(iter(operation.auth_callbacks), None)
        self._body = _only_body(operation)

    def __call__(self, request: HttpRequest, **path: Any) -> HttpResponseBase:
        """Ninja's `Operation.run`."""
        operation = self._operation
        try:
            self._check(request)
            result = operation.view_func(request, **self._values(request, path))
            if isinstance(result, HttpResponseBase):
                return result
            return operation._result_to_response(  # noqa: SLF001 -- as ninja's own does
                request, result, operation.api.create_temporal_response(request)
            )
        except Exception as error:  # noqa: BLE001 -- ninja raises what has no handler
            return operation.api.on_exception(request, _first_refusal(request, error))

    def _check(self, request: HttpRequest) -> None:
        """Find out who calls, and count the call.

        Raises:
            AuthenticationError, Throttled, and what finding the caller raises
        """
        if self._find_caller is not None:
            caller = self._find_caller(request)
            if not caller:
                raise AuthenticationError
            request.auth = caller  # type: ignore[attr-defined]  # where ninja puts it
        for throttle in self._operation.throttle_objects:
            if not throttle.allow_request(request):
                raise Throttled(None)

    def _values(self, request: HttpRequest, path: Any) -> dict[str, Any]:
        operation = self._operation
        if not operation.models:
            return {}
        if self._body is not None and request.body:
            name, kind = self._body
            content = operation.api.parser.parse_body(request)
            try:
                return {name: kind.model_validate(content)}
            except ValidationError:
                pass  # ninja tells what is wrong, and where
        values: dict[str, Any] = operation._get_values(request, path, None)  # type: ignore[arg-type]  # noqa: SLF001
        return values


def _first_refusal(request: HttpRequest, error: Exception) -> Exception:
    """What to tell: that a caller who was only expected may not be served comes before all that is wrong besides.

    Such a caller has a method `confirmed`, which answers the caller or None.
    """
    confirmed = getattr(getattr(request, "auth", None), "confirmed", None)
    if confirmed is None:
        return error
    try:
        request.auth = confirmed()  # type: ignore[attr-defined]
    except Exception as failure:  # noqa: BLE001 -- told like any other
        return failure
    return error if request.auth else AuthenticationError()  # type: ignore[attr-defined]


def _only_body(operation: Operation) -> tuple[str, type[StrictBody]] | None:
    """The argument that takes the body, and its type, where that is all the operation takes."""
    if len(operation.models) != 1:
        return None
    fields = operation.models[0].model_fields
    name = getattr(operation.models[0], "__read_from_single_attr__", None)
    kind = fields[name].annotation if name in fields else None
    if name is None or not (isinstance(kind, type) and issubclass(kind, StrictBody)):
        return None
    return name, kind
