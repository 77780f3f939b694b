"""The restaurant's settings, for who administers it: read whole, replaced whole."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import GetCoreSchemaHandler, StringConstraints, create_model, field_validator
from pydantic_core import CoreSchema
from sqlalchemy import Connection

from bookwell.kit import clock
from bookwell.kit.adapters.fastapi.parameters import parameters
from bookwell.kit.addresses import parse_address
from bookwell.kit.conditional import etag_of, is_known
from bookwell.kit.idempotency import Answer
from bookwell.kit.request_types import Day, make_strict
from bookwell.kit.time_zones import is_iana_zone
from bookwell.tables.api.access import Staff
from bookwell.tables.api.answers import NOT_MODIFIED, json_answer, response_if_new, response_of
from bookwell.tables.api.hits import DryRun, HitsOut, hits_out
from bookwell.tables.bookings.services.closing import change_house
from bookwell.tables.floor.errors import SettingsChanged
from bookwell.tables.floor.locks import lock_restaurant
from bookwell.tables.floor.queries import get_house
from bookwell.tables.floor.rules import House, Spans
from bookwell.tables.site import SiteDep

__all__ = ["router"]

router = APIRouter(tags=["floor"])

_PATH = "/api/admin/settings/"


class _Whole(House):
    """Settings as they are sent: none is left out, so that none is reset by silence."""

    dry_run: DryRun = False

    @field_validator("time_zone", check_fields=False)
    @classmethod
    def _check_iana_zone(cls, name: str) -> str:
        if not is_iana_zone(name):
            raise ValueError("is no IANA time zone")
        return name

    @field_validator("staff_email", check_fields=False)
    @classmethod
    def _check_staff_email(cls, text: str) -> str:
        return str(parse_address(text)) if text else text

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Pydantic's hook."""
        schema = handler(source)
        make_strict(schema)
        return schema


_REQUIRED: Any = {name: (field.rebuild_annotation(), ...) for name, field in House.model_fields.items()}
_REQUIRED["exceptions"] = (dict[Day, Spans], ...)
_REQUIRED["name"] = (Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)], ...)
HouseIn = create_model("HouseIn", __base__=_Whole, __doc__=House.__doc__, **_REQUIRED)


class HouseChangeOut(HitsOut):
    """What the new settings hit, and the settings that hold now."""

    settings: House


@router.get(_PATH, response_model=House, responses={**NOT_MODIFIED})
def view_settings(request: Request, site: SiteDep, caller: Staff) -> Response:  # noqa: ARG001 -- lets staff in
    """How the restaurant takes bookings."""
    house = site.database.read(get_house)
    return response_if_new(request, json_answer(house), cache_control="private, no-cache")


@router.put(_PATH, response_model=HouseChangeOut)
def change_settings(
    request: Request, site: SiteDep, caller: Staff, sent: Annotated[_Whole, parameters(HouseIn, no_others=True)]
) -> Response:
    """Replace the settings; with `If-Match` only those that were read.

    Bookings to come that the new opening hours leave out are cancelled, their orders declined, and each guest is told.
    """
    now, is_dry_run = clock.now(), sent.dry_run
    expected = request.headers.get("If-Match")
    house = House.model_validate(sent.model_dump(exclude={"dry_run"}))

    def work(connection: Connection) -> Answer:
        lock_restaurant(connection)
        before = get_house(connection)
        if expected is not None and not is_known(expected, etag_of(json_answer(before).body)):
            raise SettingsChanged
        hit = change_house(
            connection,
            house=house,
            actor=caller.actor,
            public_url=site.public_url,
            now=now,
            is_dry_run=is_dry_run,
        )
        valid = before if is_dry_run else house
        return json_answer({**hits_out(hit, is_dry_run=is_dry_run), "settings": valid})

    return response_of(site.database.write(work))
