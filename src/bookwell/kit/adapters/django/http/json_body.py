"""Reads JSON bodies and query strings strictly."""

from typing import Any

from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict
from ninja.parser import Parser

from bookwell.contracts.problems import FieldProblem
from bookwell.kit.http_errors import INVALID, HttpRefusal
from bookwell.kit.strict_json import read_json

__all__ = ["StrictParser"]


class StrictParser(Parser):
    """What `kit.strict_json` reads, and query strings without NUL."""

    def parse_body(self, request: HttpRequest) -> Any:
        """The body's JSON.

        Raises:
            HttpRefusal: 415 for another content type, 400 for what is not JSON, 422 for what cannot be stored.
        """
        return read_json(request.body, request.META.get("CONTENT_TYPE", ""))

    def parse_querydict(
        self, data: MultiValueDict[str, Any], list_fields: list[str], request: HttpRequest
    ) -> dict[str, Any]:
        """The parameters of a query string.

        Raises:
            HttpRefusal: 422 for a NUL character.
        """
        for name, values in data.lists():
            if "\0" in name or any("\0" in value for value in values if isinstance(value, str)):
                parameter = name.replace("\0", "")
                error = FieldProblem(code="nul_character", detail="NUL is not allowed", parameter=parameter)
                raise HttpRefusal(INVALID, errors=(error,))
        return super().parse_querydict(data, list_fields, request)
