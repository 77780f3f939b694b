"""Content negotiation. Headers repeat, so each distinct value is read once."""

from functools import lru_cache

__all__ = ["accepts_json", "is_json", "preferred_language", "preferred_type"]

_JSON = "application/json"


@lru_cache(maxsize=512)
def accepts_json(accept: str) -> bool:
    """Whether an `Accept` header (RFC 9110 §12.5.1) admits `application/json`; an empty one admits everything."""
    return preferred_type(accept, (_JSON,)) is not None


@lru_cache(maxsize=512)
def preferred_type(accept: str, offered: tuple[str, ...]) -> str | None:
    """The best of `offered` for an `Accept` header, the first of equally good ones; None if none is taken."""
    if not accept.strip():
        return offered[0]
    qualities = {media_type: _quality_of_type(accept, media_type) for media_type in offered}
    best = max(offered, key=lambda media_type: qualities[media_type])
    return best if qualities[best] > 0 else None


@lru_cache(maxsize=512)
def is_json(content_type: str) -> bool:
    """Whether a `Content-Type` is `application/json`, in UTF-8 when it names a character set."""
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if media_type != _JSON:
        return False
    charsets = [part.partition("=")[2].strip('" ') for part in parameters if part.startswith("charset")]
    return all(charset == "utf-8" for charset in charsets)


def _quality_of_type(accept: str, media_type: str) -> float:
    """What the range that names it most closely says."""
    ranks = {media_type: 3, f"{media_type.partition('/')[0]}/*": 2, "*/*": 1}
    best_rank, best_quality = 0, 0.0
    for item in accept.split(","):
        media_range, *parameters = (part.strip().lower() for part in item.split(";"))
        rank = ranks.get(media_range, 0)
        if rank > best_rank:
            best_rank, best_quality = rank, _quality(parameters)
    return best_quality


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


@lru_cache(maxsize=512)
def preferred_language(accept_language: str, offered: tuple[str, ...]) -> str:
    """The best of `offered` for an `Accept-Language` header (RFC 9110 §12.5.4); the first where none is wanted."""
    best, best_quality = offered[0], 0.0
    for item in accept_language.split(","):
        tag, *parameters = (part.strip().lower() for part in item.split(";"))
        language, quality = tag.partition("-")[0], _quality(parameters)
        if language in offered and quality > best_quality:
            best, best_quality = language, quality
    return best
