"""Optimizers of optax whose learning rates, ε and decay are right at every width."""

from typing import TYPE_CHECKING, Any

from jax.tree_util import tree_unflatten

from cthulhu import checks
from cthulhu._types import PyTree
from cthulhu.mup._kinds import KindLike, kind_of
from cthulhu.mup._scale import by_leaf, factors, labelled, of_own_state
from cthulhu.mup._shapes import Shapes, check_shapes
from cthulhu.trees import flatten

if TYPE_CHECKING:
    import optax


def scale_by_adam(owner: str, shapes: Shapes, kind: KindLike, eps: Any, **options: Any) -> Any:
    """`optax.scale_by_adam` with the ε of each parameter: one state for each ε that there is."""
    import optax

    by = {path: one.eps for path, one in shapes.multipliers(kind).items()}
    distinct = sorted(set(by.values()))
    if len(distinct) <= 1:
        (only,) = distinct or [1.0]
        return optax.scale_by_adam(eps=eps if only == 1 else eps * only, **options)
    parts = {f"eps * {one:.6g}": optax.scale_by_adam(eps=eps * one, **options) for one in distinct}
    names = dict(zip(distinct, parts, strict=True))

    def labels(params: PyTree) -> PyTree:
        found = labelled(owner, shapes, params, lambda path: names[by[path]])
        return tree_unflatten(flatten(params)[2], found)

    return optax.partition(parts, labels)


def chained(
    owner: str,
    shapes: Shapes,
    column: str,
    kind: KindLike,
    learning_rate: Any,
    first: Any,
    decay: Any = None,
) -> Any:
    """What makes an update, the factors, the decay, and the learning rate, in this order."""
    import optax

    by = factors(owner, shapes, column, kind)
    parts = [first]
    if decay is None:
        parts.append(by_leaf(owner, shapes, by))
    else:
        late = {path: one.decay for path, one in shapes.multipliers(kind).items()}
        parts += [by_leaf(owner, shapes, {path: by[path] / late[path] for path in by}), decay]
        if set(late.values()) != {1.0}:
            parts.append(by_leaf(owner, shapes, late))
    tx = optax.chain(*parts, optax.scale_by_learning_rate(learning_rate))
    return of_own_state(owner, tx)


def adam(
    learning_rate: Any,
    shapes: Shapes,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-8,
    eps_root: Any = 0.0,
    mu_dtype: Any = None,
    *,
    nesterov: bool = False,
    kind: KindLike = "mup",
) -> "optax.GradientTransformationExtraArgs":
    """`optax.adam` for a model that is wider than its base.

    Args:
        learning_rate: that of the base model: a number, which may be traced, or a schedule.
        shapes: what `infer` found.
        b1: as for `optax.adam`; and so the next four.
        b2: as there.
        eps: as there; it is divided by the width where gradients shrink with it.
        eps_root: as there.
        mu_dtype: as there.
        nesterov: as there.
        kind: the kind of parametrization: a name, or as `CompleteP` with its arguments.

    Returns:
        An `optax.GradientTransformation`.

    Raises:
        ValueError, TypeError, ModuleNotFoundError: as `scale`; at a step, a state of another tree.

    Example:
        >>> import jax.numpy as jnp
        >>> from cthulhu import mup
        >>> params, base = {"kernel": jnp.ones((256, 256))}, {"kernel": jnp.ones((64, 64))}
        >>> tx = mup.adam(0.5, mup.infer(base, params))
        >>> updates, _ = tx.update(params, tx.init(params))
        >>> round(float(updates["kernel"][0, 0]), 5)
        -0.125
    """
    options = {"b1": b1, "b2": b2, "eps_root": eps_root, "mu_dtype": mu_dtype}
    kind = checked("mup.adam", shapes, kind)
    first = scale_by_adam("mup.adam", shapes, kind, eps, nesterov=nesterov, **options)
    return chained("mup.adam", shapes, "adam", kind, learning_rate, first)


def adamw(
    learning_rate: Any,
    shapes: Shapes,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-8,
    eps_root: Any = 0.0,
    mu_dtype: Any = None,
    weight_decay: Any = 1e-4,
    mask: Any = None,
    *,
    nesterov: bool = False,
    kind: KindLike = "mup",
) -> "optax.GradientTransformationExtraArgs":
    """`optax.adamw` for a model that is wider than its base.

    The decay, learning rate times `weight_decay`, is that of the base at every width, as where
    others multiply λ by the width.

    Args:
        learning_rate: as for `adam`.
        shapes: what `infer` found.
        b1: as for `optax.adamw`; and so the next six.
        b2: as there.
        eps: as for `adam`.
        eps_root: as there.
        mu_dtype: as there.
        weight_decay: as there: λ of the base model.
        mask: as there; `cthulhu.usage.decay_mask` makes one.
        nesterov: as there.
        kind: as for `adam`.

    Returns:
        An `optax.GradientTransformation`.

    Raises:
        ValueError, TypeError, ModuleNotFoundError: as `scale`; at a step, a state of another tree.

    Example:
        >>> import jax.numpy as jnp
        >>> from cthulhu import mup
        >>> params, base = {"kernel": jnp.ones((256, 256))}, {"kernel": jnp.ones((64, 64))}
        >>> tx = mup.adamw(0.5, mup.infer(base, params), weight_decay=0.1)
        >>> still = {"kernel": jnp.zeros((256, 256))}
        >>> updates, _ = tx.update(still, tx.init(params), params)
        >>> round(float(updates["kernel"][0, 0]), 5)
        -0.05
    """
    options = {"b1": b1, "b2": b2, "eps_root": eps_root, "mu_dtype": mu_dtype}
    kind = checked("mup.adamw", shapes, kind)
    first = scale_by_adam("mup.adamw", shapes, kind, eps, nesterov=nesterov, **options)
    decay = decayed(weight_decay, mask)
    return chained("mup.adamw", shapes, "adam", kind, learning_rate, first, decay)


def sgd(
    learning_rate: Any,
    shapes: Shapes,
    momentum: Any = None,
    nesterov: bool = False,
    accumulator_dtype: Any = None,
    *,
    kind: KindLike = "mup",
) -> "optax.GradientTransformationExtraArgs":
    """`optax.sgd` for a model that is wider than its base.

    Args:
        learning_rate: as for `adam`.
        shapes: what `infer` found.
        momentum: as for `optax.sgd`; and so the next two.
        nesterov: as there.
        accumulator_dtype: as there.
        kind: as for `adam`; `CompleteP` has no rule for it.

    Returns:
        An `optax.GradientTransformation`.

    Raises:
        ValueError, TypeError, ModuleNotFoundError: as `scale`; at a step, a state of another tree.

    Example:
        >>> import jax.numpy as jnp
        >>> from cthulhu import mup
        >>> params, base = {"bias": jnp.ones(256)}, {"bias": jnp.ones(64)}
        >>> tx = mup.sgd(0.5, mup.infer(base, params))
        >>> updates, _ = tx.update(params, tx.init(params))
        >>> float(updates["bias"][0])
        -2.0
    """
    kind = checked("mup.sgd", shapes, kind)
    import optax

    first = optax.identity()
    if momentum is not None:
        first = optax.trace(momentum, nesterov, accumulator_dtype)
    return chained("mup.sgd", shapes, "sgd", kind, learning_rate, first)


def lion(
    learning_rate: Any,
    shapes: Shapes,
    b1: Any = 0.9,
    b2: Any = 0.99,
    mu_dtype: Any = None,
    weight_decay: Any = 1e-3,
    mask: Any = None,
    *,
    kind: KindLike = "mup",
) -> "optax.GradientTransformationExtraArgs":
    """`optax.lion` for a model that is wider than its base: its updates are signs, as Adam's.

    Args:
        learning_rate: as for `adam`.
        shapes: what `infer` found.
        b1: as for `optax.lion`; and so the next four.
        b2: as there.
        mu_dtype: as there.
        weight_decay: as for `adamw`.
        mask: as for `adamw`.
        kind: as for `adam`.

    Returns:
        An `optax.GradientTransformation`.

    Raises:
        ValueError, TypeError, ModuleNotFoundError: as `scale`; at a step, a state of another tree.

    Example:
        >>> import jax.numpy as jnp
        >>> from cthulhu import mup
        >>> params, base = {"kernel": jnp.ones((256, 256))}, {"kernel": jnp.ones((64, 64))}
        >>> tx = mup.lion(0.5, mup.infer(base, params), weight_decay=0.0)
        >>> updates, _ = tx.update(params, tx.init(params), params)
        >>> float(updates["kernel"][0, 0])
        -0.125
    """
    kind = checked("mup.lion", shapes, kind)
    import optax

    first = optax.scale_by_lion(b1=b1, b2=b2, mu_dtype=mu_dtype)
    decay = decayed(weight_decay, mask)
    return chained("mup.lion", shapes, "adam", kind, learning_rate, first, decay)


def checked(owner: str, shapes: Shapes, kind: KindLike) -> Any:
    """A kind of parametrization, where optax is installed and shapes are some."""
    check_shapes(owner, shapes)
    with checks.extra(owner, "optax"):
        import optax  # noqa: F401
    return kind_of(owner, kind)


def decayed(weight_decay: Any, mask: Any) -> Any:
    import optax

    return optax.add_decayed_weights(weight_decay, mask)
