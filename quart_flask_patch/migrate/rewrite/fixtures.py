"""Find out what a test's argument is, from the pytest fixture of that name."""

from __future__ import annotations

import ast

from ..code import CodeBase
from ..scopes import Function, is_in_tests


def bind_fixtures(code: CodeBase) -> None:
    """Bind arguments of tests to what the fixture of that name returns."""
    fixtures = {
        function.node.name: function for function in code.functions.values() if is_fixture(function)
    }
    for function in code.functions.values():
        if not is_in_tests(function.module):
            continue
        for argument in ast.walk(function.node.args):
            if not isinstance(argument, ast.arg) or function.names.get(argument.arg):
                continue
            fixture = fixtures.get(argument.arg)
            if fixture is not None and fixture is not function:
                # A program cannot have such a name.
                name = f"fixture {argument.arg}"
                function.module.names[name] = fixture.name
                function.names[argument.arg] = ast.Call(ast.Name(name), [], [])
    code.forget()


def is_fixture(function: Function) -> bool:
    return "fixture" in function.decorators
