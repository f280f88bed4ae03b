"""`scale`: the learning rate of each parameter, as a part of an optimizer of optax."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax.tree_util import tree_unflatten

from cthulhu import checks
from cthulhu._types import PyTree
from cthulhu.mup._kinds import KindLike, kind_of
from cthulhu.mup._shapes import Shapes, check_shapes
from cthulhu.params._rule_errors import SHOWN
from cthulhu.trees import flatten, is_array, join

if TYPE_CHECKING:
    import optax

ADAM_LIKE = (
    *("adam", "adamw", "nadam", "nadamw", "adamax", "amsgrad", "radam", "lamb", "lion"),
    *("adafactor", "adagrad", "rmsprop", "sign_sgd", "sophia"),
)
OPTIMIZERS = {**dict.fromkeys(ADAM_LIKE, "adam"), **dict.fromkeys(("sgd", "momentum"), "sgd")}
"""Which column an optimizer takes: whether its updates grow with the gradient."""


def scale(
    shapes: Shapes, optimizer: str = "adam", kind: KindLike = "mup"
) -> "optax.GradientTransformation":
    """Multiply the update of each parameter by what its learning rate is multiplied by.

    Where it stands is the contract. After what makes an update of the gradient, and before the
    decay of weights, so that the decay, learning rate times λ, does not depend on the width::

        optax.chain(
            optax.scale_by_adam(),
            mup.scale(shapes),
            optax.add_decayed_weights(1e-4),
            optax.scale_by_learning_rate(1e-3),
        )

    It has no state. What is no array passes as it is, and what a tree lacks, as where
    `optax.masked` hides it, is not missed.

    Args:
        shapes: what `infer` found.
        optimizer: which one it is in: ``"adam"`` and others whose updates do not grow with the
            gradient (``"adamw"``, ``"lion"``, ``"rmsprop"``, ``"adagrad"``, ``"adafactor"``
            without the scale of parameters), or ``"sgd"``, with or without momentum.
        kind: the kind of parametrization: a name, or as `CompleteP` with its arguments.

    Returns:
        An `optax.GradientTransformation`.

    Raises:
        ValueError: `optimizer` or `kind` is unknown, or has no rule for a parameter. When it is
            used, the tree has parameters, or shapes, that `shapes` has not.
        TypeError: `shapes` is no `Shapes`.
        ModuleNotFoundError: optax is not installed.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from cthulhu import mup
        >>> params = {"kernel": jnp.ones((256, 256)), "bias": jnp.ones(256)}
        >>> base = {"kernel": jnp.ones((64, 64)), "bias": jnp.ones(64)}
        >>> scaled = mup.scale(mup.infer(base, params))
        >>> updates, _ = scaled.update(params, scaled.init(params))
        >>> float(updates["kernel"][0, 0]), float(updates["bias"][0])
        (0.25, 1.0)
    """
    check_shapes("mup.scale", shapes)
    column = OPTIMIZERS[checks.choice("mup.scale", "optimizer", optimizer, OPTIMIZERS)]
    return by_leaf("mup.scale", shapes, factors("mup.scale", shapes, column, kind))


def factors(owner: str, shapes: Shapes, column: str, kind: KindLike) -> dict[str, float]:
    """What each learning rate is multiplied by, by path."""
    kind = kind_of(owner, kind)
    found = {path: getattr(one, column) for path, one in shapes.multipliers(kind).items()}
    lacking = [path for path, factor in found.items() if factor is None]
    if lacking:
        raise ValueError(f"{owner}: kind {kind.name!r} has no rule for {column}")
    return found


def by_leaf(
    owner: str, shapes: Shapes, factors: Mapping[str, Any]
) -> "optax.GradientTransformation":
    """A transformation that multiplies each leaf by a number."""
    with checks.extra(owner, "optax"):
        import optax

    def init(params: PyTree) -> Any:
        labelled(owner, shapes, params, factors.__getitem__)
        return optax.EmptyState()

    def update(updates: PyTree, state: Any, params: PyTree = None) -> tuple[PyTree, Any]:
        by = labelled(owner, shapes, updates, factors.__getitem__, fill=1)
        _, leaves, structure = flatten(updates)
        multiplied = [times(leaf, factor) for leaf, factor in zip(leaves, by, strict=True)]
        return tree_unflatten(structure, multiplied), state

    return optax.GradientTransformation(init, update)


def times(leaf: Any, factor: Any) -> Any:
    """An update times a number; by 1 it is the same object."""
    return leaf if isinstance(factor, int | float) and factor == 1 else leaf * factor


def of_own_state(owner: str, tx: Any) -> "optax.GradientTransformationExtraArgs":
    """An optimizer that says so where a state is not its own.

    Its updates are those of `tx`; only where one fails, the state is looked at.
    """
    import optax

    def update(updates: PyTree, state: Any, params: PyTree = None, **more: Any) -> Any:
        try:
            return tx.update(updates, state, params, **more)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            problem = foreign(tx, updates if params is None else params, state)
            if problem is None:
                raise
            raise ValueError(
                f"{owner}: the state is not that of these shapes: {problem}. An optimizer state "
                "belongs to one tree at one width: make it with init(params), or restore one that "
                "was made with equal shapes and options"
            ) from error

    return optax.GradientTransformationExtraArgs(tx.init, update)


def foreign(tx: Any, params: PyTree, state: Any) -> str | None:
    """What tells a state from that of these parameters; `None` if nothing does."""
    try:
        own = jax.eval_shape(tx.init, params)
    except (TypeError, ValueError):
        return None  # The parameters are at fault, and the first error says it.
    structure: Any = jax.tree.structure(own)
    if structure != jax.tree.structure(state):
        return "it has another structure"
    differing = [
        f"{jax.tree_util.keystr(path)} has shape {jnp.shape(leaf)} in place of {known.shape}"
        for (path, known), leaf in zip(
            jax.tree_util.tree_leaves_with_path(own), jax.tree.leaves(state), strict=True
        )
        if jnp.shape(leaf) != known.shape
    ]
    return differing[0] if differing else None


def labelled(
    owner: str, shapes: Shapes, tree: PyTree, label: Callable[[str], Any], fill: Any = None
) -> list[Any]:
    """Something for each leaf of a tree, by its path; the tree is checked.

    Raises:
        ValueError: the tree has parameters, or shapes, that `shapes` has not.
    """
    paths, leaves, _ = flatten(tree)
    found, lines = [], []
    for path, leaf in zip(map(join, paths), leaves, strict=True):
        known = shapes.get(path)
        if not is_array(leaf):
            found.append(fill)
        elif known is None:
            near = checks.did_you_mean(path, (one.path for one in shapes))
            lines.append(f"  {path}: not among them{near}")
        elif tuple(leaf.shape) != known.shape:
            lines.append(f"  {path}: of shape {tuple(leaf.shape)}, and they have {known.shape}")
        else:
            found.append(label(path))
    if lines:
        raise ValueError(
            f"{owner}: the tree is not that of shapes: {len(lines)} of its parameters differ:\n"
            f"{checks.listed(lines, SHOWN)}\n"
            "Pass to mup.infer, as target, the very tree that is trained"
        )
    return found
