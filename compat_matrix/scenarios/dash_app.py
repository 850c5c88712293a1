"""Dash: an application's layout, and the callbacks that its page posts."""

from __future__ import annotations

from typing import Any

from dash import ctx, Dash, dcc, html, Input, no_update, Output, Patch, State
from dash.exceptions import PreventUpdate
from flask import Flask, request

from compat_matrix.scenarios._exchange import (
    Exchange,
    get,
    Named,
    request as send,
    send_json,
    SIGNED_AT,
)


def layout() -> html.Div:
    return html.Div(
        [
            html.H1("People", id="title"),
            dcc.Location(id="url"),
            dcc.Input(id="name", value="ann"),
            html.Button("Go", id="go", n_clicks=0),
            dcc.Graph(id="graph"),
            dcc.Store(id="store"),
            dcc.Download(id="download"),
            html.Div(id="out"),
            html.Div(id="other"),
        ]
    )


def add_callbacks(dash: Dash) -> None:
    @dash.callback(Output("out", "children"), Input("go", "n_clicks"), State("name", "value"))
    def greet(clicks: int, name: str | None) -> object:
        if name is None:
            raise PreventUpdate
        if name == "broken":
            raise ValueError("broken")
        agent = request.headers.get("X-Agent")
        return html.B(f"{clicks}. hello {name} of {agent}, by {ctx.triggered_id}")

    @dash.callback(
        Output("graph", "figure"),
        Output("store", "data"),
        Input("name", "value"),
        Input("go", "n_clicks"),
    )
    def draw(name: str, clicks: int) -> object:
        if clicks == 3:
            return no_update, {"only": name}
        figure = {"data": [{"x": [1, 2, clicks], "y": [1, 4, 9], "type": "bar", "name": name}]}
        return figure, {"name": name, "clicks": clicks}

    @dash.callback(Output("download", "data"), Input("go", "n_clicks"))
    def download(clicks: int) -> object:
        return dcc.send_string(f"number,{clicks}\n", "numbers.csv")

    @dash.callback(Output("other", "children"), Input("url", "pathname"))
    def patch(path: str) -> object:
        changed = Patch()
        changed.append(path)
        ctx.response.set_cookie("path", path)
        return changed

    dash.clientside_callback("(x) => x", Output("title", "children"), Input("url", "search"))


def create_app() -> Flask:
    server = Flask("dash_app")
    server.secret_key = "of the scenario"
    dash = Dash("dash_app", server=server, title="Scenario", update_title=None)
    dash.layout = layout
    add_callbacks(dash)

    @server.get("/beside")
    def beside() -> str:
        return "a view of Flask's own"

    return server


def called(output: str, inputs: dict[str, object], *shows: str, **values: Any) -> Exchange:
    """What the page posts when an input of the callback of *output* has changed."""
    given = [
        {"id": name.partition(".")[0], "property": name.partition(".")[2], "value": value}
        for name, value in inputs.items()
    ]
    parts = [part.split(".") for part in output.strip(".").split("...")]
    outputs: list[object] = [{"id": name, "property": prop} for name, prop in parts]
    data = {
        "output": output,
        "outputs": outputs if output.startswith("..") else outputs[0],
        "inputs": [item for item in given if item["id"] != "name" or ".." in output],
        "state": [item for item in given if item["id"] == "name" and ".." not in output],
        "changedPropIds": [next(iter(inputs))],
    }
    headers = {"X-Agent": "scenario"}
    return send_json("/_dash-update-component", data, *shows, headers=headers, **values)


DIFFERENCES = [
    Named("id of the page", r'(?<="end_id":")[^"]*'),
    Named("built at", r"(?<=\.v\d_\d_\dm)\d+|(?<=m)\d{10}(?=\.)"),
    SIGNED_AT,
]

GRAPH = "..graph.figure...store.data.."

EXCHANGES = [
    get("/", "<title>Scenario</title>", "_dash-config"),
    get("/_dash-layout", '"children":"People"'),
    get("/_dash-dependencies", '"output":"out.children"', "clientside_function"),
    called("out.children", {"go.n_clicks": 1, "name.value": "ann"}, "1. hello ann of scenario"),
    called("out.children", {"go.n_clicks": 2, "name.value": None}, status=204),
    called("out.children", {"go.n_clicks": 2, "name.value": "broken"}, status=500),
    called(GRAPH, {"name.value": "bob", "go.n_clicks": 2}, '"name":"bob"', '"type":"bar"'),
    called(GRAPH, {"name.value": "bob", "go.n_clicks": 3}, '"only":"bob"'),
    called("download.data", {"go.n_clicks": 5}, "numbers.csv"),
    called("other.children", {"url.pathname": "/a"}, "Append", "set-cookie: path=/a"),
    called("none.children", {"go.n_clicks": 1}, status=500),
    send_json("/_dash-update-component", {}, status=500),
    get("/_dash-update-component", "<title>Scenario</title>"),
    get("/any/page", "<title>Scenario</title>"),
    get("/beside", "a view of Flask's own"),
    get("/_favicon.ico"),
    send("OPTIONS", "/"),
    get("/_dash-component-suites/dash/dcc/dash_core_components.js"),
    get("/_dash-component-suites/none/none.js", status=500),
    send("HEAD", "/"),
]
