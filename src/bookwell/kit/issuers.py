"""The setting `BOOKWELL_ISSUERS`: whose access tokens a service takes besides those that it takes anyway."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

__all__ = ["NamedIssuer", "beside", "parse_issuers"]

_FORM = (
    'a JSON list of {"issuer", "audience", "roles_claim", "jwks_url"}, or URL,AUDIENCE,PATH.OF.ROLES parted by spaces'
)


def _check_url(url: str) -> str:
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise ValueError("is no http or https URL")
    return url


def _path(value: Any) -> Any:
    """A path may be a list of its steps, for steps with dots in them, or dotted."""
    return value.split(".") if isinstance(value, str) else value


_Url = Annotated[str, Field(max_length=255), AfterValidator(_check_url)]
_Step = Annotated[str, Field(min_length=1)]


class NamedIssuer(BaseModel):
    """An issuer as the settings name it.

    `roles_claim` is the path to its list of roles (`realm_access`, `roles`). Without `jwks_url` the issuer is asked
    where its keys are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: _Url
    audience: str = Field(min_length=1)
    roles_claim: Annotated[tuple[_Step, ...], BeforeValidator(_path), Field(min_length=1)] = ("roles",)
    jwks_url: _Url | None = None

    @classmethod
    def of_words(cls, entry: str) -> Self:
        """The short form: `URL,AUDIENCE` or `URL,AUDIENCE,PATH.OF.ROLES`.

        Raises:
            ValueError
        """
        words = dict(zip(("issuer", "audience", "roles_claim"), entry.split(",", 2), strict=False))
        if "," in words.get("roles_claim", ""):
            raise ValueError("too many commas")
        return cls.model_validate(words)


_LIST = TypeAdapter(tuple[NamedIssuer, ...])


def parse_issuers(text: str) -> tuple[NamedIssuer, ...]:
    """What `BOOKWELL_ISSUERS` says: a JSON list of `NamedIssuer`, or their short forms parted by spaces.

    Raises:
        ValueError: if an entry is none of both, or an issuer is named twice.
    """
    try:
        if text.lstrip().startswith("["):
            named = _LIST.validate_json(text)
        else:
            named = tuple(NamedIssuer.of_words(entry) for entry in text.split())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "entry"
        raise ValueError(f"is not {_FORM}: {where}: {first['msg']}") from None
    except ValueError as error:
        raise ValueError(f"is not {_FORM}: {error}") from None
    if len({each.issuer for each in named}) < len(named):
        raise ValueError("names an issuer twice")
    return named


def beside(named: Sequence[NamedIssuer], own: Iterable[NamedIssuer]) -> tuple[NamedIssuer, ...]:
    """The named issuers and those that a service trusts unasked; who is in both is as it was named."""
    known = {each.issuer for each in named}
    return (*named, *(each for each in own if each.issuer not in known))
