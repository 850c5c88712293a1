"""The straight way to an answer, for an endpoint without hooks: call its view, and send the result.

It is what `pipeline` does where no stage is overridden, no signal has a receiver and no session is
in use. Whatever else comes up, before the view or after it, is left to the pipeline, which goes on
from there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .._flask import has_served, mark_served
from .._loops.mailbox import shielded
from .._types import CoroutineOf, Function, Result
from . import session
from .teardown import close_context

if TYPE_CHECKING:
    from .._connection.outbound import Whole
    from ..app import Quart
    from ..ctx import AppContext
    from ..wrappers import Request
    from .plan import Plan

#: The methods that are answered in another way.
_OTHERWISE = frozenset({"HEAD", "OPTIONS"})


class Begun:
    """What has become of a view that was called already."""

    __slots__ = ("_made", "_raised", "_result", "response")

    def __init__(
        self,
        result: Result,
        raised: BaseException | None = None,
        made: Exception | None = None,
        response: Result = None,
    ) -> None:
        self._result, self._raised, self._made = result, raised, made
        #: The response, if it was made already.
        self.response = response

    def result(self) -> Result:
        """Return what the view has returned, or raise what it has raised."""
        if self._raised is None:
            return self._result
        try:
            raise self._raised
        finally:
            self._raised = None  # The error's traceback refers to this frame: break the cycle.

    def check(self) -> None:
        """Raise what was raised when an answer was made of the result, if anything was."""
        if self._made is None:
            return
        try:
            raise self._made
        finally:
            self._made = None  # As above.


def is_straight(plan: Plan) -> bool:
    """Whether requests of this *plan* may go straight, as far as that is known before they come."""
    return not (
        plan.stages.answering is None
        or plan.view is None
        or plan.preprocesses
        or plan.processes
        or plan.tears_down
    )


async def work(
    otherwise: Callable[[AppContext, Begun | None], CoroutineOf[Result]], ctx: AppContext
) -> Result:
    """Do the work of a request in its place; *otherwise* does it, or the rest, in the usual way."""
    app, plan = ctx.app, ctx.plan
    connection: Request = ctx.connection  # type: ignore[assignment]  # as its plan says
    stages = plan.stages
    if (
        ctx.failure is not None
        or connection.routing_exception is not None
        or connection.method in _OTHERWISE
        or stages.context_pushed.receivers
        or stages.started.receivers
        or not stages.opens_late(app.session_interface)
    ):
        return await otherwise(ctx, None)
    ctx.handled = True
    if not has_served(app):
        mark_served(app)
    view: Function = plan.view  # type: ignore[assignment]  # a straight plan has one
    try:
        result = view(**connection.view_args)  # type: ignore[arg-type]  # set by match_request
        if hasattr(result, "__await__"):
            result = await plan.place.resolve(result)
        answer: Whole | Begun = _answer(app, ctx, plan, result)
    except BaseException as error:
        answer = Begun(None, raised=error)
    if type(answer) is Begun:
        return await otherwise(ctx, answer)
    if (rest := close_context(app, ctx, None)) is not None:
        with shielded(None):
            await rest
    return answer


def _answer(app: Quart, ctx: AppContext, plan: Plan, result: Result) -> Whole | Begun:
    """Return the answer, or how far this has come if somebody may see the response.

    What is raised here is not the view's, unless it is no Exception: no handler gets that.
    """
    stages = plan.stages
    try:
        if (
            not plan.stands
            or ctx._after is not None
            or stages.finished.receivers
            or session.is_concerned(app, ctx)
        ):
            return Begun(result)
    except Exception:
        return Begun(result)  # The pipeline makes the response, then asks again.
    answering = stages.answering
    try:
        return answering(app, ctx, result) or Begun(result)  # type: ignore[misc]  # a straight plan has one
    except Exception as error:
        return Begun(result, made=error)
