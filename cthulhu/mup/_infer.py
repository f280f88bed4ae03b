"""`infer`: which dimensions of a model are infinite, from its shapes and those of its base."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from cthulhu import checks
from cthulhu._types import PyTree
from cthulhu.mup._leaf import ROLES, Role
from cthulhu.mup._roles import (
    AmbiguousError,
    Grown,
    growing,
    leaf_shape,
    told_by_layout,
    told_by_usage,
)
from cthulhu.mup._shapes import Shapes
from cthulhu.params import _patterns as patterns
from cthulhu.params._layout import LAYOUTS, TreeLayout
from cthulhu.params._leaves import Stacked, stack_axes
from cthulhu.params._rule_errors import SHOWN
from cthulhu.trees import Path, flatten, frame_of, is_array, is_tree, join
from cthulhu.usage import Usage


def infer(
    base: PyTree | Callable[[], PyTree],
    target: PyTree | Callable[[], PyTree],
    usage: Usage | None = None,
    *,
    delta: PyTree | Callable[[], PyTree] | None = None,
    layout: TreeLayout = None,
    stacked: Stacked = None,
    roles: Mapping[str, Role] | None = None,
) -> Shapes:
    """Find which dimensions of a model are infinite: those in which it differs from its base.

    What a dimension is, an input, an output, or one that stacks layers or experts, is told by
    `usage`; else by `layout` and `stacked`. Without either, a kernel of which two dimensions
    grow by one factor is known to be hidden, and a parameter of one dimension counts as a bias
    or a norm; the rest is refused. Dimensions that stack, the receptive field of a convolution,
    and the rows of a table count nowhere. Of a grouped convolution the channels of one group
    are the inputs, so that a depthwise kernel is an input however many channels there are.

    Args:
        base: the parameters of the base model, on which hyperparameters were tuned: a pytree of
            arrays or `jax.ShapeDtypeStruct`, of any framework, or a function without arguments
            that returns one, which is traced and not run: ``lambda: small.init(key, x)``.
        target: those of the model that is to be trained, likewise.
        usage: what the parameters are used as: ``cthulhu.usage.infer(fn, params, x)``, of a
            model of any width.
        delta: a model of a third width, likewise. Where it differs from the base, dimensions are
            infinite too: needed where `target` is as wide as `base`, by what asks for roles
            there, as `muon` does.
        layout: without `usage`, how weights lie: ``"in_out"`` as in Flax, or ``"out_in"`` as in
            Equinox and PyTorch.
        stacked: without `usage`, the axis along which leaves stack layers, for all leaves or by
            path regex, as for `cthulhu.params.init_params`.
        roles: by path regex, what parameters are, whatever else tells: ``"input"``,
            ``"hidden"``, ``"output"``, ``"tied"`` or ``"scalar"``. The first that matches wins.

    Returns:
        `Shapes`: a role and ratios for each parameter, and a table when printed.

    Raises:
        ValueError: the trees have other paths or ranks; a role is ambiguous, more than two
            sides of a parameter grow, or what it is used as is not known; or a pattern matches
            nothing.
        TypeError: a leaf is no array, or one of integers or keys.

    Example:
        >>> import jax, numpy as np
        >>> spec = lambda *shape: jax.ShapeDtypeStruct(shape, np.float32)
        >>> small = {"kernel": spec(32, 32), "bias": spec(32)}
        >>> wide = {"kernel": spec(96, 96), "bias": spec(96)}
        >>> [(leaf.path, leaf.role, leaf.m_in, leaf.m_out) for leaf in infer(small, wide)]
        [('bias', 'input', 1.0, 3.0), ('kernel', 'hidden', 3.0, 3.0)]
    """
    if usage is not None and (layout is not None or stacked is not None):
        raise TypeError("mup.infer: usage tells of axes; pass it, or layout and stacked, not both")
    if usage is not None and not isinstance(usage, Usage):
        raise TypeError(
            "mup.infer: usage must be what cthulhu.usage.infer returned; got "
            f"{usage!r} of type {type(usage).__name__}"
        )
    if layout is not None:
        checks.choice("mup.infer", "layout", layout, LAYOUTS)
    known = {"base": leaves_of("base", base), "target": leaves_of("target", target)}
    if delta is not None:
        known["delta"] = leaves_of("delta", delta)
    paths = list(known["base"])
    if usage is not None:
        check_paths("base", "usage", known["base"], [leaf.path for leaf in usage])
    for name, found in known.items():
        check_paths("base", name, known["base"], found)
    check_ranks(known)
    stacks = stack_axes("mup.infer", stacked, [tuple(path.split("/")) for path in paths])
    given = given_roles(roles, paths)
    leaves, problems = [], []
    for path, axis in zip(paths, stacks, strict=True):
        shapes = {name: tuple(found[path].shape) for name, found in known.items()}
        dtype = str(known["target"][path].dtype)
        if usage is not None:
            told = told_by_usage(usage[path], len(shapes["base"]))
        else:
            told = told_by_layout(path, len(shapes["base"]), layout, axis)
        grown = Grown(path, shapes["target"], shapes["base"], dtype, growing(shapes, told))
        try:
            leaves.append(leaf_shape(grown, told, given.get(path)))
        except AmbiguousError as error:
            problems.append(f"  {path}: {shapes['base']} -> {shapes['target']}: {error}")
    if problems:
        count = f"{len(problems)} of the parameters"
        raise ValueError(
            f"mup.infer: it is not known what {count} become in a wider model:\n"
            f"{checks.listed(problems, SHOWN)}\n{remedy(usage is None)}"
        )
    return Shapes(tuple(leaves))


def remedy(bare: bool) -> str:
    """What to do of roles that are not known."""
    own = "roles={'…': 'input'}, by path regex, with one of " + ", ".join(map(repr, ROLES))
    if not bare:
        return f"Say what they are: {own}"
    return (
        "Pass usage=cthulhu.usage.infer(fn, params, x), which tells of every axis; or "
        f"layout='in_out' or 'out_in', and stacked; or {own}"
    )


def leaves_of(argument: str, source: Any) -> dict[str, Any]:
    """The parameters of a tree, or of what a function returns, by path."""
    owner = f"mup.infer: {argument}"
    if callable(source) and not is_tree(source):
        try:
            source = jax.eval_shape(source)
        except TypeError as error:
            error.add_note(
                f"This is from {owner}, a function that is called without arguments, under "
                "jax.eval_shape, and must return arrays alone"
            )
            raise
    frame = frame_of(source)
    every_path, everything, _ = flatten(source)
    found = {}
    paths: list[Path] = frame.parameters(every_path)
    for path, leaf in zip(paths, frame.parameters(everything), strict=True):
        name = join(path)
        if not is_array(leaf):
            raise TypeError(
                f"{owner}: the leaf {name!r} must be an array or a jax.ShapeDtypeStruct; got "
                f"{leaf!r} of type {type(leaf).__name__}"
            )
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            raise TypeError(
                f"{owner}: the leaf {name!r} is of dtype {leaf.dtype}, which is no weight; leave "
                "it out of the tree, as nnx.state(model, nnx.Param) and "
                "equinox.filter(model, equinox.is_inexact_array) do"
            )
        found[name] = leaf
    return found


def check_paths(first: str, second: str, one: Sequence[str] | Any, other: Any) -> None:
    """Refuse trees that have not the same parameters."""
    lines = [
        f"  {path}: in {here} alone"
        for here, mine, theirs in ((first, one, set(other)), (second, other, set(one)))
        for path in mine
        if path not in theirs
    ]
    if lines:
        raise ValueError(
            f"mup.infer: {first} and {second} must have the same parameters, and differ in "
            f"{len(lines)}:\n{checks.listed(lines, SHOWN)}"
        )


def check_ranks(known: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse parameters of other ranks."""
    base = known["base"]
    lines = [
        f"  {path}: {tuple(base[path].shape)} in base, {tuple(leaf.shape)} in {name}"
        for name, found in known.items()
        for path, leaf in found.items()
        if len(leaf.shape) != len(base[path].shape)
    ]
    if lines:
        raise ValueError(
            "mup.infer: a wider model has parameters of the same ranks; here "
            f"{len(lines)} differ:\n{checks.listed(lines, SHOWN)}"
        )
    empty = [path for path, leaf in base.items() if 0 in leaf.shape]
    if empty:
        raise ValueError(f"mup.infer: the parameter {empty[0]!r} is empty in base")


def given_roles(roles: Mapping[str, Role] | None, paths: list[str]) -> dict[str, Role]:
    """The roles that were said, by path."""
    given: dict[str, Role] = {}
    if roles is not None and not isinstance(roles, Mapping):
        raise TypeError(f"mup.infer: roles must map path regexes to roles; got {roles!r}")
    for pattern, role in (roles or {}).items():
        if not isinstance(pattern, str):
            raise TypeError(f"mup.infer: roles maps strings (regex) to roles; got {pattern!r}")
        checks.choice("mup.infer", f"roles[{pattern!r}]", role, ROLES)
        for at in patterns.matching("mup.infer: roles", pattern, paths):
            given.setdefault(paths[at], role)
    return given
