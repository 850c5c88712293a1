"""Views as classes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast, ClassVar

from ._types import Function
from .globals import app_ctx, current_app as current_app, request as request
from .typing import ResponseReturnValue, RouteCallable as RouteCallable

http_method_funcs = frozenset({"get", "post", "head", "options", "delete", "put", "trace", "patch"})


class View:
    """A view that is an object: `as_view` makes the function to register.

    ```python
    class Hello(View):
        methods = ["GET"]

        async def dispatch_request(self, name):
            return f"Hello, {name}!"

    app.add_url_rule("/hello/<name>", view_func=Hello.as_view("hello"))
    ```
    """

    #: Applied to the view function, the first one innermost.
    decorators: ClassVar[list[Function]] = []
    #: The methods to register for; None means what `route` takes.
    methods: ClassVar[Collection[str] | None] = None
    #: Whether OPTIONS is answered automatically; None means what `route` takes.
    provide_automatic_options: ClassVar[bool | None] = None
    #: Whether each request gets an object of its own, so that state on `self` is not shared.
    init_every_request: ClassVar[bool] = True

    # These parameters let subclasses have any others, for type checkers too.
    async def dispatch_request(self, *args: Any, **kwargs: Any) -> ResponseReturnValue:
        """Answer the request; the keywords are the URL's variables. The method may be plain."""
        raise NotImplementedError(
            f"Expected {type(self).__name__} to define dispatch_request, got none. Define it, as"
            " a plain or an async method."
        )

    @classmethod
    def as_view(cls, name: str, *class_args: Any, **class_kwargs: Any) -> RouteCallable:
        """Return a view function, to be registered as *name*, that dispatches to this class.

        What follows *name* is passed to the class each time it is called.
        """
        shared = None if cls.init_every_request else cls(*class_args, **class_kwargs)

        async def view(**kwargs: object) -> ResponseReturnValue:
            # Read the attribute at each call, since tests and extensions replace `view_class`.
            self = shared or made.view_class(*class_args, **class_kwargs)
            dispatch = app_ctx.app.ensure_async(self.dispatch_request)
            return cast(ResponseReturnValue, await dispatch(**kwargs))

        made = cast(Any, view)
        view.__name__ = name
        view.__module__ = cls.__module__
        for decorator in cls.decorators:
            view = decorator(view)
        _describe(view, cls, name)
        if view is not made:
            made.view_class = cls
        return view


def _describe(view: Any, cls: type[View], name: str) -> None:
    """Set the attributes of *view* that `add_url_rule` reads."""
    view.view_class = cls
    view.__name__ = name
    view.__doc__ = cls.__doc__
    view.__module__ = cls.__module__
    view.methods = cls.methods
    view.provide_automatic_options = cls.provide_automatic_options


class MethodView(View):
    """A view with a method for each HTTP method: `get` answers GET, `post` POST, and so on.

    HEAD is answered by `get` where there is no `head`. As a websocket's method is GET, `get` is
    also what handles a websocket.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "methods" in cls.__dict__:
            return
        own = {name.upper() for name in http_method_funcs if hasattr(cls, name)}
        inherited = (getattr(base, "methods", None) or () for base in cls.__bases__)
        if methods := own.union(*inherited):
            cls.methods = methods

    async def dispatch_request(self, *args: Any, **kwargs: Any) -> ResponseReturnValue:
        connection = app_ctx.connection
        method = "GET" if connection is None else connection.method
        handler = getattr(self, method.lower(), None)
        if handler is None and method == "HEAD":
            handler = getattr(self, "get", None)
        if handler is None:
            raise RuntimeError(
                f"Expected {type(self).__name__} to have a method {method.lower()!r}, as it is"
                f" registered for {method}, got none. Define it, or take {method} out of `methods`."
            )
        return cast(ResponseReturnValue, await app_ctx.app.ensure_async(handler)(*args, **kwargs))
