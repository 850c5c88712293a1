# pyright: reportUnnecessaryTypeIgnoreComment=true
"""What an extension cannot be made of."""

from __future__ import annotations

from quart import current_app, Quart, Request, Response
from quart.sessions import SessionInterface, SessionMixin
from quart.utils import run_sync
from quart.views import MethodView
from quart.wrappers import BaseRequestWebsocket


class NotARequest: ...


class OwnApp(Quart):
    request_class = NotARequest  # type: ignore[assignment]
    session_interface = NotARequest()  # type: ignore[assignment]

    async def handle_request(self) -> Response:  # type: ignore[override]
        return Response("")


class PlainSessions(SessionInterface):
    def open_session(  # type: ignore[override]
        self, app: Quart, request: BaseRequestWebsocket
    ) -> SessionMixin | None: ...


class OwnRequest(Request):
    def get_json(self) -> object:  # type: ignore[override]
        return None


async def use(app: Quart) -> tuple[str, str]:
    app.request_class = NotARequest  # type: ignore[assignment]
    app.ensure_async(1)  # type: ignore[call-overload]
    length: str = await app.ensure_async(len)("text")  # type: ignore[assignment]
    again: str = await run_sync(len)("text")  # type: ignore[assignment]
    await run_sync(len)(1)  # type: ignore[arg-type]
    app.add_url_rule("/view", view_func=MethodView)  # type: ignore[arg-type]
    app.run(port="5000")  # type: ignore[arg-type]
    await app.run_task(port="5000")  # type: ignore[arg-type]
    async with current_app:  # type: ignore[attr-defined]
        pass
    return length, again
