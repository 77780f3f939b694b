"""Paths with and without their final slash are the same operation; nothing is answered with a redirect."""

from fastapi import FastAPI
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

__all__ = ["ignore_final_slashes"]


def ignore_final_slashes(app: FastAPI) -> None:
    """Let a path that names nothing be taken for the one with, or without, a slash at its end."""
    router = app.router
    not_found = router.default

    async def try_other_form(scope: Scope, receive: Receive, send: Send) -> None:
        other = {**scope, "path": _other_form(scope["path"])} if scope["type"] == "http" else scope
        if other["path"] and any(route.matches(other)[0] is not Match.NONE for route in router.routes):
            scope["path"] = other["path"]
            await router.app(scope, receive, send)
        else:
            await not_found(scope, receive, send)

    router.redirect_slashes = False
    router.default = try_other_form


def _other_form(path: str) -> str:
    """Empty for a path that has none."""
    if path.endswith("//"):
        return ""
    return path.removesuffix("/") if path.endswith("/") else f"{path}/"
