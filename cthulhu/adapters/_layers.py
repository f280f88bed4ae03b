"""What the layers of a framework tell of their arrays, put into the plan of a model.

A tree tells paths and shapes. A layer tells more: which axes of its kernel are inputs and
outputs, how many axes one layer's array has (further ones, in front, stack layers), and
whether it holds the gates of a recurrent cell side by side. An adapter collects a `Weight`
for each path it knows of; `plan_of` gives each initializer what it needs of that.
"""

import dataclasses
from collections.abc import Container, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from cthulhu import checks
from cthulhu._types import PyTree
from cthulhu.fans import LayoutLike
from cthulhu.fans._layout import layout_of
from cthulhu.params import Keep, Plan, Rule, Rules
from cthulhu.params._beside import as_rules
from cthulhu.params._cautions import caution
from cthulhu.params._fitting import Weight, fitted, stacks_itself
from cthulhu.params._layout import TreeLayout
from cthulhu.params._leaves import Leaf, checked, own_sharding, stack_axes
from cthulhu.params._relations import related
from cthulhu.params._rules import RulesLike
from cthulhu.trees import Path, flatten, frame_of, join


def plan_of(
    owner: str,
    tree: PyTree,
    rules: RulesLike,
    weights: Mapping[Path, Weight],
    *,
    states: Container[Path] = (),
    layout: TreeLayout = None,
    stacked: int | Mapping[str, int] | None = None,
) -> Plan[Any]:
    """The plan of a model whose layers tell of their arrays.

    Args:
        owner: the function that the user called, two frames above.
        tree: the model.
        rules: as for `cthulhu.params.plan`. Arrays that hold no real or complex
            numbers stay as they are, and need no rule.
        weights: what is known of arrays, by path.
        states: the paths of arrays that are no parameters.
        layout: the layout of all other arrays.
        stacked: as for `cthulhu.params.plan`; where it is silent, the axes that an array
            has more than its layer tells stack layers.

    Returns:
        A `Plan`.
    """
    checked_rules: Rules = as_rules(owner, rules, None)
    layout = checked_rules.layout or layout
    frame = frame_of(tree)
    every_path, everything, _ = flatten(tree)
    paths, values = frame.parameters(every_path), frame.parameters(everything)
    ruled = [
        at
        for at, (path, value) in enumerate(zip(paths, values, strict=True))
        if needs_rule(owner, path, value) and path not in states
    ]
    found = dict(zip(ruled, checked_rules.resolve([paths[at] for at in ruled]), strict=True))
    kept = Rule(".*", Keep())
    axes = stack_axes(owner, stacked, paths)
    leaves = []
    for at, (path, value) in enumerate(zip(paths, values, strict=True)):
        weight, rule, stack = weights.get(path), found.get(at, kept), axes[at]
        if weight is not None and rule.layout is not None:
            weight = weight._replace(layout=layout_of("Rule", "layout", rule.layout))
        if stack is None and not stacks_itself(rule.initializer):
            stack = stack_of(owner, path, value, weight)
        known: LayoutLike = (rule.layout or layout) if weight is None else weight.layout
        leaf = Leaf(
            path,
            tuple(value.shape),
            value.dtype,
            own_sharding(value),
            rule.initializer,
            stack,
            value,
            layout=known,
            role=rule.role,
        )
        leaf = checked(owner, fit_leaf(owner, leaf, weight), known if weight is None else None)
        leaves.append(leaf)
    leaves = related(owner, leaves)
    unknown = [leaf for leaf in leaves if leaf.path not in weights]
    caution(owner, unknown, layout, stacked, stacklevel=3)
    return Plan(tuple(leaves), frame)


def needs_rule(owner: str, path: Path, value: Any) -> bool:
    """Whether an array is a parameter: counters, indices and keys are none."""
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        raise TypeError(
            f"{owner}: the leaf {join(path)!r} must be an array or a jax.ShapeDtypeStruct; "
            f"got {value!r} of type {type(value).__name__}"
        )
    # Without a value there is nothing to keep, so a rule has to say.
    return isinstance(value, jax.ShapeDtypeStruct) or jnp.issubdtype(value.dtype, jnp.inexact)


def stack_of(owner: str, path: Path, value: Any, weight: Weight | None) -> int | None:
    """The axis that stacks layers in an array of more axes than its layer tells."""
    further = 0 if weight is None else len(value.shape) - weight.rank
    if further > 1:
        raise ValueError(
            f"{owner}: {join(path)!r} of shape {tuple(value.shape)} has {further} axes more than "
            "its layer alone; one axis of stacked layers can be told. Give the initializer its "
            "axes, as HeNormal(in_axis=-1, out_axis=-2, batch_axis='rest'), and initialize the "
            "array by itself"
        )
    return 0 if further == 1 else None


def fit_leaf(owner: str, leaf: Leaf, weight: Weight | None) -> Leaf:
    """A leaf whose initializer knows what the layer tells."""
    if weight is None or leaf.kept:
        return leaf
    try:
        found = fitted(leaf.initializer, weight, leaf.layer_shape, leaf.dtype)
    except (TypeError, ValueError) as error:
        raise checks.in_name_of(f"{owner}: {join(leaf.path)!r}", error) from None
    return leaf if found is leaf.initializer else dataclasses.replace(leaf, initializer=found)
