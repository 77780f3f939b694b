"""Swagger UI of a FastAPI service."""

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.staticfiles import StaticFiles

from bookwell.kit.swagger import DOCS_PREFIX, FRESH_SECONDS, POLICY, START, page_of, swagger_folder

__all__ = ["install_swagger"]


class _Files(StaticFiles):
    """Files that a browser may keep for a day."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """Starlette's hook."""
        response: Response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]  # as they came
        response.headers["Cache-Control"] = f"public, max-age={FRESH_SECONDS}"
        return response


def install_swagger(app: FastAPI, title: str) -> None:
    """Add `/docs`, which shows `/openapi.json`."""
    router = APIRouter(include_in_schema=False)

    @router.get(DOCS_PREFIX)
    async def page() -> Response:
        return HTMLResponse(page_of(title), headers={"Content-Security-Policy": POLICY})

    @router.get(f"{DOCS_PREFIX}/")
    async def without_slash() -> Response:
        return RedirectResponse(f"..{DOCS_PREFIX}")  # the page's own paths are relative: a proxy may have a prefix

    @router.get(f"{DOCS_PREFIX}/start.js")
    async def start() -> Response:
        return Response(START, media_type="text/javascript")

    app.include_router(router)
    app.mount(f"{DOCS_PREFIX}/files", _Files(directory=swagger_folder()))
