"""The servers: how to start each, and which protocols its clients use."""

from dataclasses import dataclass, replace

HYPERCORN = ("hypercorn", "_application:app", "--bind", "127.0.0.1:{port}")
UVICORN = ("uvicorn", "_application:app", "--port", "{port}")
GRANIAN = ("granian", "--interface", "asgi", "--port", "{port}", "_application:app")
DAPHNE = ("daphne", "-b", "127.0.0.1", "-p", "{port}", "_application:app")


@dataclass(frozen=True)
class Serving:
    """One column of the table."""

    name: str
    command: tuple[str, ...]
    #: The option before the root path.
    root_option: str
    #: The package that must be installed.
    needs: tuple[str, ...]
    http_version: str = "1.1"
    tls: bool = False
    #: The options before the certificate and its key, if it uses TLS.
    tls_options: tuple[str, str] = ("--certfile", "--keyfile")
    #: The application's class, by module and name.
    application: str = "quart:Quart"

    def __str__(self) -> str:
        _, _, application = self.application.partition(":")
        return f"{self.name} {application}".replace(" ", "-").replace(",", "")

    @property
    def variables(self) -> dict[str, str]:
        return {"APPLICATION_CLASS": self.application}


SERVINGS = [
    Serving("hypercorn", HYPERCORN, "--root-path", ("hypercorn",)),
    Serving(
        "hypercorn, HTTP/2 with TLS",
        HYPERCORN,
        "--root-path",
        ("hypercorn", "h2"),
        http_version="2",
        tls=True,
    ),
    Serving(
        "hypercorn, HTTP/2 without", HYPERCORN, "--root-path", ("hypercorn", "h2"), http_version="2"
    ),
    Serving(
        "hypercorn on uvloop", (*HYPERCORN, "-k", "uvloop"), "--root-path", ("hypercorn", "uvloop")
    ),
    Serving("hypercorn on Trio", (*HYPERCORN, "-k", "trio"), "--root-path", ("hypercorn", "trio")),
    Serving(
        "hypercorn on Trio, quart-trio",
        (*HYPERCORN, "-k", "trio"),
        "--root-path",
        ("hypercorn", "trio", "quart_trio"),
        application="quart_trio:QuartTrio",
    ),
    Serving(
        "uvicorn",
        (*UVICORN, "--loop", "asyncio", "--http", "h11"),
        "--root-path",
        ("uvicorn", "websockets"),
    ),
    Serving(
        "uvicorn on uvloop",
        (*UVICORN, "--loop", "uvloop", "--http", "httptools"),
        "--root-path",
        ("uvicorn", "websockets", "uvloop", "httptools"),
    ),
    Serving("granian", GRANIAN, "--url-path-prefix", ("granian",)),
    Serving("daphne", DAPHNE, "--root-path", ("daphne",)),
]

#: Each server with each class of application, one of which is Flask's on the layer.
WITH_EACH_APPLICATION = [
    *SERVINGS,
    *(
        replace(serving, application="quart_flask_patch.app:Flask")
        for serving in SERVINGS
        if serving.application == "quart:Quart"
    ),
]
