"""What an init function returns: the arrays that it makes, and in modules the rest as it is."""

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from cthulhu.params._paths import Path, flatten

__all__ = ["Outputs", "split"]


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True, eq=False)
class Outputs:
    """A result without its arrays: its structure, and by place the leaves that are none."""

    tree: Any
    rest: dict[int, Any]

    def unflatten(self, arrays: Sequence[Any]) -> Any:
        """The result with these arrays."""
        return self._filled(arrays, self.rest)

    def arrays_alone(self, arrays: Sequence[Any]) -> Any:
        """The result with these arrays and nothing else."""
        return self._filled(arrays, dict.fromkeys(self.rest))

    def paths(self, arrays: Sequence[Any]) -> tuple[list[Path], list[Path]]:
        """The paths of the arrays, and those of the rest."""
        found: tuple[list[Path], list[Path]] = ([], [])
        for at, path in enumerate(flatten(self.unflatten(arrays))[0]):
            found[at in self.rest].append(path)
        return found

    def _filled(self, arrays: Sequence[Any], rest: dict[int, Any]) -> Any:
        waiting = iter(arrays)
        places = range(self.tree.num_leaves)
        return jax.tree.unflatten(
            self.tree, [rest[at] if at in rest else next(waiting) for at in places]
        )


def split(result: Any) -> tuple[list[Any], Outputs]:
    """The arrays of a result, and what they are put into again."""
    leaves: list[Any] = []
    rest: dict[int, Any] = {}
    for path, node in jax.tree_util.tree_leaves_with_path(result, is_leaf=is_module):
        if not is_module(node):
            check_output(path, node)
            leaves.append(node)
            continue
        for leaf in jax.tree.leaves(node):
            if not isinstance(leaf, jax.Array | np.ndarray | np.generic):
                rest[len(leaves)] = leaf
            leaves.append(leaf)
    arrays = [leaf for at, leaf in enumerate(leaves) if at not in rest]
    return arrays, Outputs(jax.tree.structure(result), rest)


def is_module(node: Any) -> bool:
    """Whether a node is an `equinox.Module`, whose leaves may be functions and flags too."""
    module = getattr(sys.modules.get("equinox"), "Module", None)
    return module is not None and isinstance(node, module)


def check_output(path: Any, leaf: Any) -> None:
    if isinstance(leaf, jax.Array | np.ndarray | np.generic | bool | int | float | complex):
        return
    raise TypeError(
        "fast_init: init_fn must return a pytree of arrays; "
        f"got {leaf!r} of type {type(leaf).__name__} at result{jax.tree_util.keystr(path)}. "
        "Return the arrays alone, as nnx.state(model) does, or an equinox.Module that holds it"
    )
