"""A program annotated throughout with Quart's own names, for mypy to check."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from quart import Blueprint, g, jsonify, make_response, Quart, redirect, request, websocket
from quart.typing import (
    AfterRequestCallable,
    BeforeRequestCallable,
    ErrorHandlerCallable,
    ResponseReturnValue,
    ResponseTypes,
    RouteCallable,
    TestClientProtocol,
    WebsocketCallable,
    WhileServingCallable,
)
from quart.wrappers import Response

app = Quart(__name__)
api = Blueprint("api", __name__, url_prefix="/api")


@dataclass
class Todo:
    id: int
    task: str


todos: dict[int, Todo] = {1: Todo(1, "write")}


@app.get("/")
async def index() -> ResponseReturnValue:
    return "index"


@app.get("/plain")
def plain() -> ResponseReturnValue:
    return {"plain": True}, 202, {"X-Plain": "yes"}


@api.get("/<int:number>")
async def show(number: int) -> ResponseReturnValue:
    if number not in todos:
        return {"error": "no such thing"}, 404
    return jsonify(todos[number])


@api.post("/")
async def create() -> ResponseReturnValue:
    data = await request.get_json()
    todo = Todo(max(todos) + 1, data["task"])
    todos[todo.id] = todo
    return redirect(f"/api/{todo.id}")


@api.get("/stream")
async def stream() -> ResponseReturnValue:
    async def numbers() -> AsyncGenerator[str, None]:
        for number in todos:
            yield f"{number}\n"

    return numbers(), {"Content-Type": "text/plain"}


@app.get("/made")
async def made() -> Response | ResponseTypes:
    return await make_response("made", 201)


@app.websocket("/ws")
async def echo() -> None:
    while True:
        message: str | bytes = await websocket.receive()
        await websocket.send(message)


@app.before_request
async def remember() -> ResponseReturnValue | None:
    g.remembered = True
    return None


@app.after_request
async def mark(response: Response) -> Response:
    response.headers["X-Marked"] = str(g.remembered)
    return response


@app.errorhandler(404)
async def not_found(error: Exception) -> ResponseReturnValue:
    return "nothing here", 404


@app.while_serving
async def lifespan() -> AsyncGenerator[None, None]:
    yield


app.register_blueprint(api)

route: RouteCallable = index
plain_route: RouteCallable = plain
socket: WebsocketCallable = echo
before: BeforeRequestCallable = remember
after: AfterRequestCallable = mark
handler: ErrorHandlerCallable = not_found
while_serving: WhileServingCallable = lifespan


async def use(client: TestClientProtocol) -> str:
    answer = await client.get("/")
    text: str = await answer.get_data(as_text=True)
    return text
