"""An application: routes, hooks, error handlers and what surrounds serving."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from datetime import timedelta
from typing import TypedDict

from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.wrappers import Response as WerkzeugResponse

from quart import (
    abort,
    after_this_request,
    copy_current_request_context,
    jsonify,
    Quart,
    redirect,
    request,
    Response,
    ResponseReturnValue,
    url_for,
)
from quart.utils import run_sync
from quart.views import MethodView, View

app = Quart(__name__, static_folder=None, template_folder="pages")
app.config["SECRET_KEY"] = "secret"
app.config.from_prefixed_env()
app.config.from_mapping(BODY_TIMEOUT=10)
app.permanent_session_lifetime = timedelta(days=1)
app.secret_key = b"secret"


class Item(TypedDict):
    name: str


# What a view may be, and what it may return.


@app.route("/")
async def index() -> str:
    return "text"


@app.route("/plain", methods=["GET", "POST"], strict_slashes=False)
def plain() -> bytes:
    return b"bytes"


@app.get("/json")
async def as_json() -> dict[str, int]:
    return {"a": 1}


@app.get("/typed")
async def typed() -> Item:
    return {"name": "thing"}


@app.get("/list")
def as_list() -> list[int]:
    return [1]


@app.post("/status")
async def status() -> tuple[str, int]:
    return "made", 201


@app.put("/headers")
async def headers() -> tuple[dict[str, str], int, dict[str, str]]:
    return {}, 200, {"X-Name": "value"}


@app.delete("/response")
async def response() -> Response:
    return Response("text", 204, {"X-Name": "value"}, mimetype="text/plain")


@app.patch("/redirect")
async def elsewhere() -> WerkzeugResponse:
    return redirect(url_for("index", _external=True, page=1))


@app.get("/stream")
async def stream() -> AsyncGenerator[bytes, None]:
    async def pieces() -> AsyncGenerator[bytes, None]:
        yield b"piece"

    return pieces()


@app.get("/iterator")
def iterator() -> Iterator[str]:
    return iter(["a", "b"])


@app.get("/async-iterator")
async def async_iterator() -> tuple[AsyncIterator[str], int]:
    async def pieces() -> AsyncIterator[str]:
        yield "piece"

    return pieces(), 200


@app.get("/anything/<int:number>")
async def anything(number: int) -> ResponseReturnValue:
    if number > 1:
        abort(404, description="too large")
    if number:
        return jsonify(number=number)
    return "none", {"X-Number": "0"}


app.add_url_rule("/added", "added", index, methods=["GET"])


# Hooks.


@app.before_request
async def before() -> None:
    request.max_content_length = 1000


@app.before_request
def before_plain() -> ResponseReturnValue | None:
    return None if request.is_json else ("JSON, please", 415)


@app.before_request
async def before_text() -> str | None:
    return None


@app.after_request
async def after(response: Response) -> Response:
    response.headers["X-After"] = "1"
    return response


@app.after_request
def after_plain(response: Response) -> Response:
    return response


@app.teardown_request
async def teardown(error: BaseException | None) -> None: ...


@app.teardown_appcontext
def teardown_plain(error: BaseException | None) -> None: ...


@app.errorhandler(404)
async def not_found(error: NotFound) -> tuple[str, int]:
    return error.get_description(), 404


@app.errorhandler(HTTPException)
def any_http_error(error: HTTPException) -> ResponseReturnValue:
    return {"error": error.name}, error.code or 500


@app.errorhandler(ValueError)
async def bad_value(error: ValueError) -> dict[str, str]:
    return {"error": str(error)}


@app.url_value_preprocessor
def take_language(endpoint: str | None, values: dict[str, str] | None) -> None: ...


@app.url_defaults
def give_language(endpoint: str, values: dict[str, object]) -> None:
    values.setdefault("language", "en")


@app.context_processor
async def names() -> dict[str, object]:
    return {"name": "value"}


@app.context_processor
def plain_names() -> dict[str, object]:
    return {}


@app.template_filter()
def shout(text: str) -> str:
    return text.upper()


@app.template_filter("whisper")
async def whisper(text: str) -> str:
    return text.lower()


@app.template_global()
def today() -> str:
    return "today"


@app.template_test("even")
def is_even(number: int) -> bool:
    return number % 2 == 0


@app.shell_context_processor
def shell() -> dict[str, object]:
    return {"app": app}


# Serving.


@app.before_serving
async def start() -> None: ...


@app.before_serving
def start_plain() -> None: ...


@app.while_serving
async def life() -> AsyncGenerator[None, None]:
    yield


@app.while_serving
async def life_as_iterator() -> AsyncIterator[None]:
    yield


@app.after_serving
async def stop() -> None: ...


async def mail(address: str, *, subject: str) -> None: ...


@app.post("/mail")
async def send_mail() -> tuple[str, int]:
    app.add_background_task(mail, "you@example.org", subject="Hello")

    @after_this_request
    async def mark(response: Response) -> Response:
        response.set_cookie("sent", "1")
        return response

    @copy_current_request_context
    async def later() -> str:
        return request.path

    text: str = await later()
    count: int = await run_sync(len)(text)
    return str(count), 202


# Views as classes.


class Hello(View):
    async def dispatch_request(self, name: str) -> str:
        return f"Hello {name}"


class Things(MethodView):
    async def get(self) -> dict[str, int]:
        return {}

    def post(self) -> tuple[str, int]:
        return "made", 201


app.add_url_rule("/hello/<name>", view_func=Hello.as_view("hello"))
app.add_url_rule("/things", view_func=Things.as_view("things"))


@app.cli.command("fill")
def fill() -> None: ...


def main() -> None:
    app.run(host="127.0.0.1", port=8080, debug=True)
