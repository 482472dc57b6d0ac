"""Which module imports which, told from the source; and the cycles between the parts of a package."""

import ast
import re
from collections.abc import Iterator, Mapping

Graph = dict[str, set[str]]


def _is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def running(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that can run: functions included, ``if TYPE_CHECKING:`` left out."""
    yield node
    children = node.orelse if isinstance(node, ast.If) and _is_for_type_checkers(node) else ast.iter_child_nodes(node)
    for child in children:
        yield from running(child)


def import_graph(modules: Mapping[str, ast.Module]) -> Graph:
    """Module -> the modules of ours it imports, at any depth of its code, or names by a string ("package.module:name").

    Args:
        modules: dotted name -> source; a package stands for its ``__init__``.
    """
    heads = "|".join(sorted({name.partition(".")[0] for name in modules}))
    registered = re.compile(rf"({heads})(\.\w+)+:\w+")
    return {
        name: {found for found in _imported(tree, modules, registered) if found in modules and found != name}
        for name, tree in modules.items()
    }


def _imported(tree: ast.Module, modules: Mapping[str, ast.Module], registered: re.Pattern[str]) -> Iterator[str]:
    for node in running(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            inner = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in modules else str(node.module) for name in inner)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and registered.fullmatch(node.value):
            yield node.value.partition(":")[0]


def cycles(graph: Graph) -> list[str]:
    """For every package, its modules and sub-packages that import one another in a circle; a line each.

    What lies side by side in a package is compared: ``a.b.x`` and ``a.c.y`` are ``b`` and ``c`` of package ``a``, and a
    package's ``__init__`` is a module among those beside it.
    """
    packages = {".".join(name.split(".")[:depth]) for name in graph for depth in range(1, name.count(".") + 1)}
    lines = []
    for package in sorted(packages):
        parts: Graph = {}
        for name, imported in graph.items():
            part = _part(name, package)
            if part is not None:
                others = {_part(other, package) for other in imported}
                parts.setdefault(part, set()).update(other for other in others if other is not None and other != part)
        lines += [f"{package}: {' <-> '.join(circle)}" for circle in _circles(parts)]
    return lines


def _part(name: str, package: str) -> str | None:
    """The module or sub-package of ``package`` that a module lies in; None where it lies elsewhere."""
    if name == package:
        return "__init__"
    return name.removeprefix(package + ".").partition(".")[0] if name.startswith(package + ".") else None


def _circles(graph: Graph) -> list[list[str]]:
    """Groups of nodes that all reach one another, by name."""
    reach = {node: _reached(graph, node) for node in graph}
    groups = {tuple(sorted(other for other in reach[node] if node in reach.get(other, ()))) for node in graph}
    return [list(group) for group in sorted(groups) if len(group) > 1]


def _reached(graph: Graph, start: str) -> set[str]:
    found: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(graph.get(node, ()))
    return found
