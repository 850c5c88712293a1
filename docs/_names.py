"""Links names in the text of the pages to where they are described, here or by others.

The pages write `flask.url_for` and `QuartClient` as code. Any other mark would be seen by those who
read the pages in a repository's browser.
"""

import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.ext.intersphinx import InventoryAdapter
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.nodes import make_refnode

NAME = re.compile(r"((?:\w+\.)*\w+)(?:\([^)]*\))?")


class LinkNames(SphinxPostTransform):
    """A name with dots is a full one; a class of ours is known by its last part alone, too."""

    default_priority = 5

    def run(self, **kwargs: Any) -> None:
        for literal in list(self.document.findall(nodes.literal)):
            found = NAME.fullmatch(literal.astext())
            if found and not _within(literal, (nodes.reference, pending_xref, nodes.title)):
                link = self._ours(found[1], literal) or self._of_others(found[1], literal)
                if link is not None:
                    literal.replace_self(link)

    def _ours(self, name: str, literal: nodes.literal) -> nodes.reference | None:
        objects = self.env.domains.python_domain.objects
        full = [name] if name in objects else []
        if not full and re.fullmatch(r"[A-Z]\w+", name):
            full = [known for known in objects if known.rpartition(".")[2] == name]
        if len(full) != 1:
            return None
        entry = objects[full[0]]
        page = self.env.current_document.docname
        builder = self.app.builder
        return make_refnode(builder, page, entry.docname, entry.node_id, literal.deepcopy())

    def _of_others(self, name: str, literal: nodes.literal) -> nodes.reference | None:
        if "." not in name:
            return None
        for known in (name, re.sub(r"^quart\.", "flask.", name)):
            for address in self._addresses(known):
                return nodes.reference("", "", literal.deepcopy(), internal=False, refuri=address)
        return None

    def _addresses(self, name: str) -> Iterator[str]:
        for kind, known in InventoryAdapter(self.env).main_inventory.items():
            if kind.startswith("py:") and name in known:
                yield known[name].uri


def _within(node: nodes.Node, kinds: tuple[type, ...]) -> bool:
    parent = node.parent
    while parent is not None:
        if isinstance(parent, kinds):
            return True
        parent = parent.parent
    return False
