"""A pytree as parameters: their paths, which leaves they are, and what is around them."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import jax
from jax.tree_util import PyTreeDef

from cthulhu._types import PyTree
from cthulhu.caches import bounded

Item = TypeVar("Item")
Path = tuple[str, ...]


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Frame:
    """A pytree without its parameters: its structure, and the leaves that are none."""

    structure: PyTreeDef
    fixed: dict[int, object] = dataclasses.field(hash=False)
    """By its number, each leaf that stays as it is."""

    def parameters(self, leaves: Sequence[Item]) -> list[Item]:
        """Of one thing for each leaf, those for parameters."""
        return [leaf for at, leaf in enumerate(leaves) if at not in self.fixed]

    def fill(self, values: Iterable[object]) -> PyTree:
        """The tree that holds these parameters."""
        return self._filled(values, self.fixed)

    def alone(self, values: Iterable[object]) -> PyTree:
        """The tree that holds these parameters, and nothing else."""
        return self._filled(values, dict.fromkeys(self.fixed))

    def _filled(self, values: Iterable[object], fixed: Mapping[int, object]) -> PyTree:
        rest = iter(values)
        count = self.structure.num_leaves
        leaves = [fixed[at] if at in fixed else next(rest) for at in range(count)]
        return jax.tree.unflatten(self.structure, leaves)


def frame_of(tree: PyTree) -> Frame:
    """Tell the parameters of a tree from the rest.

    An Equinox module has its activation functions and its rates among its leaves. They
    are no parameters, and stay. In any other tree, every leaf is a parameter.

    Args:
        tree: a pytree.

    Returns:
        The tree's `Frame`.

    Example:
        >>> frame_of({"a": [1, 2]}).fill("xy")
        {'a': ['x', 'y']}
    """
    leaves, structure = jax.tree.flatten(tree)
    fixed = {
        at: leaf
        for at, (leaf, inside) in enumerate(zip(leaves, within_equinox(tree), strict=True))
        if inside and not is_array(leaf)
    }
    return Frame(structure, fixed)


def within_equinox(tree: PyTree) -> list[bool]:
    """Whether each leaf is within an Equinox module."""
    inside: list[bool] = []
    for node in jax.tree.leaves(tree, is_leaf=is_equinox):
        inside += [True] * len(jax.tree.leaves(node)) if is_equinox(node) else [False]
    return inside


def is_equinox(node: object) -> bool:
    """Whether a node is an `equinox.Module`."""
    return is_equinox_class(type(node))


@bounded(1024)
def is_equinox_class(cls: type) -> bool:
    """Whether a class is of Equinox's modules; Equinox need not be imported to know that."""
    return any(
        base.__name__ == "Module" and base.__module__.partition(".")[0] == "equinox"
        for base in cls.__mro__
    )


def is_array(leaf: object) -> bool:
    """Whether a leaf is an array, or says what an array is like."""
    return hasattr(leaf, "shape") and hasattr(leaf, "dtype")


def is_tree(source: object) -> bool:
    """Whether what may be called too, as a module may, is a tree of parameters."""
    # A partial binds arguments, which may be arrays; it stays a function.
    return not isinstance(source, functools.partial) and any(map(is_array, jax.tree.leaves(source)))


def component(entry: object) -> str:
    """One step of a path, as a user writes it: a name or a number."""
    for attribute in ("key", "idx", "name"):
        if hasattr(entry, attribute):
            return str(getattr(entry, attribute))
    return str(entry)


def is_box(node: object) -> bool:
    """Whether a node is what Flax puts around an annotated parameter, of linen or of nnx."""
    return hasattr(type(node), "add_axis") and hasattr(type(node), "remove_axis")


def flatten(tree: PyTree) -> tuple[list[Path], list[Any], PyTreeDef]:
    """The paths of a tree's leaves, the leaves, and the tree's structure.

    The box that Flax puts around an annotated parameter is no part of its path:
    whether a parameter is annotated must not change its values.

    Args:
        tree: a pytree of any framework.

    Returns:
        Three results: a path for each leaf, the leaves, and the `PyTreeDef`.

    Raises:
        ValueError: two leaves have one path.

    Example:
        >>> flatten({"a": {"kernel": 1}, "b": [2, 3]})[0]
        [('a', 'kernel'), ('b', '0'), ('b', '1')]
    """
    found, structure = jax.tree_util.tree_flatten_with_path(tree)
    nodes = jax.tree_util.tree_leaves_with_path(tree, is_leaf=is_box)
    boxes = {entries for entries, node in nodes if is_box(node)}
    paths: list[Path] = []
    for entries, _ in found:
        plain = entries[:-1] if entries[:-1] in boxes else entries
        paths.append(tuple(map(component, plain)))
    seen: set[Path] = set()
    for path in paths:
        if path in seen:
            raise ValueError(f"two leaves of the tree have the path {join(path)!r}; rename one")
        seen.add(path)
    return paths, [leaf for _, leaf in found], structure


def join(path: Path) -> str:
    """A path as the regular expressions of rules see it: joined by slashes."""
    return "/".join(path)


def nested(named: Iterable[tuple[Path, object]], *, between: str = "/") -> dict[str, Any]:
    """Things by path as nested dicts; errors write what is `between` the names of a path.

    Raises:
        ValueError: one path is the beginning of another.

    Example:
        >>> nested([(("a", "kernel"), 1), (("b",), 2)])
        {'a': {'kernel': 1}, 'b': 2}
    """
    tree: dict[str, Any] = {}
    for path, value in named:
        *parents, last = path
        node: Any = tree
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                break
        if not isinstance(node, dict) or last in node:
            raise ValueError(
                f"{between.join(path)!r} and another name cannot both be in one tree: one of them "
                "is the other's beginning; rename one"
            )
        node[last] = value
    return tree
