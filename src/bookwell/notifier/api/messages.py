"""The mails of the embedded mode, for scripts and for people who try the application out."""

from pathlib import Path

from flask import Response, abort, render_template
from flask_openapi.blueprint import APIBlueprint

from bookwell.kit.adapters.flask.edge import json_only
from bookwell.notifier.api.schemas import DeliveryPath, MessageBody, MessageList, MessageQuery
from bookwell.notifier.api.sent_mails import find_mail, list_mails

__all__ = ["messages_blueprint"]

_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
# Mails are styled by attributes, the one way that mail programs agree on; nothing else works in there, and nothing is
# loaded.
_MAIL_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
_HTML = "text/html; charset=utf-8"
_MOST_ON_A_PAGE = 100


def messages_blueprint(folder: Path, *, has_server: bool) -> APIBlueprint:
    """`/messages` and the pages that show the mails of a folder; none come to it while there is a mail server."""
    blueprint = APIBlueprint("messages", __name__, template_folder="templates", static_folder="static")

    @blueprint.get("/messages", responses={200: MessageList})
    def list_messages(query: MessageQuery) -> Response:
        """The mails that were sent, newest first."""
        json_only()
        found = MessageList(list_mails(folder, to=query.to))
        return Response(found.model_dump_json(), content_type="application/json")

    @blueprint.get("/", doc_ui=False)
    def show_list(query: MessageQuery) -> Response:
        """The last mails, as a page."""
        mails = list_mails(folder, to=query.to, limit=_MOST_ON_A_PAGE)
        return _page(render_template("mails.html", mails=mails, to=query.to, has_server=has_server))

    @blueprint.get("/mails/<string:delivery_id>", doc_ui=False)
    def show_mail(path: DeliveryPath) -> Response:
        """One mail, as a page."""
        return _page(render_template("mail.html", mail=_get(folder, path)))

    @blueprint.get("/mails/<string:delivery_id>/html", doc_ui=False)
    def show_body(path: DeliveryPath) -> Response:
        """A mail's HTML, for a frame."""
        headers = {"Content-Type": _HTML, "Content-Security-Policy": _MAIL_POLICY}
        return Response(_get(folder, path).html, headers=headers)

    return blueprint


def _get(folder: Path, path: DeliveryPath) -> MessageBody:
    return find_mail(folder, path.delivery_id) or abort(404)


def _page(content: str) -> Response:
    return Response(content, headers={"Content-Type": _HTML, "Content-Security-Policy": _PAGE_POLICY})
