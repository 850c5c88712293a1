"""Provide names that an edit needs in a module, without clashes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..code import CodeBase
from ..scopes import Module
from .spots import Changes


class Names:
    def __init__(self, code: CodeBase, changes: Changes) -> None:
        self.code, self.changes = code, changes
        self._given: dict[tuple[Module, str, str], str] = {}
        #: All that each name is bound to in a module and the scopes in it.
        self._bound: dict[Module, dict[str, list[str | ast.expr]]] = {}

    def name(self, module: Module, source: str, name: str) -> str:
        """Return the local name for *name* from *source* in *module*; import it if necessary."""
        key = module, source, name
        if key not in self._given:
            self._given[key] = self._name(module, source, name)
        return self._given[key]

    def _name(self, module: Module, source: str, name: str) -> str:
        full = f"{source}.{name}" if name else source
        for local in _imported(module):
            if module.names.get(local) == full:
                return local
        wanted = name or source
        if not self._is_bound(module, wanted, full):
            self.changes.of(module).needed.add((source, name))
            return wanted
        # Never write `import x as y`: callers check first that the name is free.
        other = f"{source.partition('.')[0]}_{wanted}"
        self.changes.of(module).needed.add((source, f"{name} as {other}"))
        return other

    def is_free(self, module: Module, source: str) -> bool:
        """Whether `import source` exists already, or would hide no other name."""
        return not self._is_bound(module, source, source)

    def _is_bound(self, module: Module, name: str, full: str) -> bool:
        if not self._bound:
            self._find_bound()
        return any(value != full for value in self._bound[module].get(name, ()))

    def _find_bound(self) -> None:
        code = self.code
        for scope in [*code.modules.values(), *code.functions.values(), *code.classes.values()]:
            bound = self._bound.setdefault(scope.module, {})
            for name, value in scope.names.items():
                bound.setdefault(name, []).append(value)


def _imported(module: Module) -> Iterator[str]:
    """Yield the names that *module* imports at run time."""
    for statement in module.tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in statement.names)
