"""Flask's template environment, which tries a dict's key before an attribute."""

from __future__ import annotations

from typing import Any

from flask import templating as flask_templating
from jinja2 import nodes
from jinja2.compiler import CodeGenerator

from quart._rendering import looks_up_keys, write_look_up


class _KeysFirst(CodeGenerator):
    def visit_Getattr(self, node: nodes.Getattr, frame: Any) -> None:
        if self.environment.is_async or not looks_up_keys(self.environment, node):
            super().visit_Getattr(node, frame)
        else:
            write_look_up(self, node, frame)


class _Generator:
    """Picks the code generator: ours, unless a base class of `Environment` has another one."""

    def __get__(self, environment: Environment | None, owner: type[Environment]) -> Any:
        behind = super(Environment, owner).code_generator_class
        return _KeysFirst if behind is CodeGenerator else behind


class Environment(flask_templating.Environment):
    """Flask's environment; its templates render the same output."""

    code_generator_class: Any = _Generator()
