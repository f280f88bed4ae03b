"""Plans as JSON: what is written beside the rows, and what can be read back of it."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Sharding

from cthulhu._types import PyTree
from cthulhu.initializers._lookup import CustomObjects
from cthulhu.params._configs import read, written
from cthulhu.params._leaves import Leaf, checked
from cthulhu.params._relations import related
from cthulhu.params._rows import LeafPlan
from cthulhu.programs._placement import leaf_shardings
from cthulhu.random import path_digest
from cthulhu.trees import Frame, Path, frame_of, join

OWNER = "Plan.from_json"


class Saved(NamedTuple):
    """A plan that was read from JSON, of which some initializers could not be."""

    rows: tuple[LeafPlan, ...]
    programs: int
    lost: tuple[str, ...]

    def refuse(self, owner: str) -> None:
        """Say that it does not run, and why."""
        listed = ", ".join(map(repr, self.lost[:5])) + (", …" if len(self.lost) > 5 else "")
        raise ValueError(
            f"{owner}: this plan was read from JSON, which could not hold the initializers of "
            f"{listed}. It can be looked at, and not run: make it again with plan(...); classes "
            "of your own are found by Plan.from_json(text, custom_objects={'Name': class})"
        )


def recipe(leaf: Leaf) -> dict[str, Any]:
    """What a row does not say of a leaf: its initializer is `None` where JSON holds none."""
    try:
        config = None if leaf.kept else written(leaf.initializer)
    except (TypeError, ValueError):
        config = None
    return {"path": list(leaf.path), "stack": leaf.stack, "initializer": config}


def restored(
    text: str, shardings: PyTree, custom_objects: CustomObjects
) -> tuple[list[Leaf], Frame, Saved | None]:
    """The leaves and their tree; or, if some cannot be had, what there is to look at."""
    record = json.loads(text)
    try:
        rows = tuple(
            LeafPlan(**{**row, "shape": tuple(row["shape"])}) for row in record["parameters"]
        )
        programs: int = record["programs"]
        recipes = record.get("recipes", [None] * len(rows))
        found = [
            None if own is None else initializer(own["initializer"], custom_objects)
            for own in recipes
        ]
        pairs = list(zip(rows, recipes, strict=True))
        lost = tuple(row.path for row, one in zip(rows, found, strict=True) if one is None)
        if lost:
            return [], frame_of({}), Saved(rows, programs, lost)
        paths = [checked_path(row, own["path"]) for row, own in pairs]
        stacks = [own["stack"] for own in recipes]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{OWNER}: text must be what Plan.to_json wrote; it is other JSON ({error!r})"
        ) from None
    specs = [jax.ShapeDtypeStruct(row.shape, jnp.dtype(row.dtype)) for row in rows]
    tree = nested(paths, range(len(rows)))
    places = jax.tree.leaves(tree)
    layouts: Sequence[Sharding | None] = [None] * len(rows)
    if shardings is not None:
        layouts = leaf_shardings(shardings, nested(paths, specs), OWNER)
    leaves = []
    for at, layout in zip(places, layouts, strict=True):
        spec = specs[at]
        leaf = Leaf(paths[at], spec.shape, spec.dtype, layout, found[at], stacks[at], spec)
        leaves.append(checked(OWNER, leaf, None))
    return related(OWNER, leaves), frame_of(tree), None


def initializer(config: Any, custom_objects: CustomObjects) -> Any:
    """The initializer of a config; `None` if there is none, or its class is unknown."""
    try:
        return None if config is None else read(config, custom_objects)
    except ValueError:
        return None


def checked_path(row: LeafPlan, path: Sequence[str]) -> Path:
    """The path of a leaf, if its key still follows from it as when it was written."""
    digest = "".join(f"{word:08x}" for word in path_digest(tuple(path)))
    if join(tuple(path)) != row.path or digest != row.digest:
        raise ValueError(
            f"{OWNER}: the digest of {row.path!r} is {digest}, and not {row.digest}; the text was "
            "changed, or comes from a version that derives keys otherwise"
        )
    return tuple(path)


def nested(paths: Sequence[Path], values: Sequence[object]) -> PyTree:
    """A tree of dicts by path."""
    tree: dict[str, Any] = {}
    for path, value in zip(paths, values, strict=True):
        if not path:
            return value
        node = tree
        for step in path[:-1]:
            node = node.setdefault(step, {})
        node[path[-1]] = value
    return tree
