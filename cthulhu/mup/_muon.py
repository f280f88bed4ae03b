"""`muon`: hidden kernels by Muon, with axes of their usage, and the rest by AdamW."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from jax.tree_util import tree_unflatten

from cthulhu._types import PyTree
from cthulhu.mup._kinds import KindLike
from cthulhu.mup._leaf import LeafShape
from cthulhu.mup._optimizers import adamw, checked, decayed
from cthulhu.mup._scale import by_leaf, labelled, of_own_state
from cthulhu.mup._shapes import Shapes
from cthulhu.trees import flatten

if TYPE_CHECKING:
    import optax

OWNER = "mup.muon"


def muon(
    learning_rate: Any,
    shapes: Shapes,
    ns_coeffs: Any = None,
    ns_steps: Any = 5,
    beta: Any = 0.95,
    eps: Any = 1e-8,
    weight_decay: Any = 0.0,
    weight_decay_mask: Any = None,
    mu_dtype: Any = None,
    *,
    nesterov: bool = True,
    adaptive: bool = False,
    preconditioning: str = "frobenius",
    adam_b1: Any = 0.9,
    adam_b2: Any = 0.999,
    adam_eps_root: Any = 0.0,
    adam_weight_decay: Any = 0.0,
    adam_learning_rate: Any = None,
    consistent_rms: Any = None,
    kind: KindLike = "mup",
) -> "optax.GradientTransformationExtraArgs":
    """`optax.contrib.muon` for a model that is wider than its base.

    Hidden kernels, whose inputs and outputs grow both, are Muon's, along the axes that `shapes`
    knows; the receptive field of a convolution goes with the inputs, stacks are taken apart, and
    convolutions in groups are none of them, as with `cthulhu.usage.muon_axes`.
    Their update has, at every width, the factor that it has in the base model, times
    √(m_out / m_in): so its spectral norm goes with √(outputs / inputs), with one learning rate.
    Everything else is AdamW's, as `adamw` has it.

    Args:
        learning_rate: as for `adam`.
        shapes: what `infer` found, with usage or a layout. Where the model is as wide as its
            base, `infer` needs `delta`, which tells what is hidden.
        ns_coeffs: as for `optax.contrib.muon`, in numbers; and so those that follow. Default: its
            own.
        ns_steps: as there.
        beta: as there.
        eps: as there; Adam's is as for `adam`.
        weight_decay: as there.
        weight_decay_mask: as there.
        mu_dtype: as there.
        nesterov: as there.
        adaptive: as there.
        preconditioning: as there.
        adam_b1: as there.
        adam_b2: as there.
        adam_eps_root: as there.
        adam_weight_decay: as there.
        adam_learning_rate: as there.
        consistent_rms: as there.
        kind: as for `adam`; `UMuP` has no rule for it.

    Returns:
        An `optax.GradientTransformation`.

    Raises:
        ValueError: no kernel is hidden, or the axes of one are not known; or as `scale`.
        ModuleNotFoundError: optax is not installed.

    Example:
        >>> import jax.numpy as jnp
        >>> from cthulhu import mup
        >>> params, base = {"kernel": jnp.eye(256)}, {"kernel": jnp.eye(64)}
        >>> tx = mup.muon(1.0, mup.infer(base, params, layout="in_out"))
        >>> updates, _ = tx.update(params, tx.init(params), params)
        >>> 0.5 < -float(updates["kernel"][0, 0]) < 1.5
        True
    """
    kind = checked(OWNER, shapes, kind)
    import optax

    factors = muon_factors(shapes, kind, consistent_rms)
    more = {} if ns_coeffs is None else {"ns_coeffs": ns_coeffs}
    late = {path: one.decay for path, one in shapes.multipliers(kind).items() if path in factors}
    by = {path: factor / late[path] for path, factor in factors.items()}
    parts = [
        optax.contrib.scale_by_muon(
            ns_steps=ns_steps,
            beta=beta,
            eps=eps,
            mu_dtype=mu_dtype,
            nesterov=nesterov,
            adaptive=adaptive,
            preconditioning=preconditioning,
            weight_dimension_numbers=lambda updates: dimensions(shapes, updates),
            **more,
        ),
        by_leaf(OWNER, shapes, by),
        decayed(weight_decay, weight_decay_mask),
    ]
    if set(late.values()) != {1.0}:
        parts.append(by_leaf(OWNER, shapes, late))
    rest = adamw(
        learning_rate if adam_learning_rate is None else adam_learning_rate,
        shapes,
        adam_b1,
        adam_b2,
        eps,
        adam_eps_root,
        mu_dtype,
        adam_weight_decay,
        nesterov=nesterov,
        kind=kind,
    )

    def labels(params: PyTree) -> PyTree:
        found = labelled(OWNER, shapes, params, lambda path: "muon" if path in by else "adam")
        return tree_unflatten(flatten(params)[2], found)

    last = optax.scale_by_learning_rate(learning_rate)
    tx = optax.partition({"muon": optax.chain(*parts, last), "adam": rest}, labels)
    return of_own_state(OWNER, tx)


def muon_factors(shapes: Shapes, kind: Any, consistent_rms: Any) -> dict[str, Any]:
    """What each orthogonal update is multiplied by, by path, of what is Muon's."""
    multipliers = shapes.multipliers(kind)
    hidden = [leaf for leaf in shapes if leaf.role == "hidden" and leaf.groups == 1]
    if not hidden:
        raise ValueError(
            f"{OWNER}: no parameter is hidden. Where a model is as wide as its base, pass delta to "
            "mup.infer, a model of another width, which tells what grows"
        )
    if any(multipliers[leaf.path].muon is None for leaf in hidden):
        raise ValueError(f"{OWNER}: kind {kind.name!r} has no rule for muon")
    unknown = [leaf.path for leaf in hidden if not leaf.axes_known]
    if unknown:
        raise ValueError(
            f"{OWNER}: the axes of {unknown[0]!r} are not known; pass usage or layout to mup.infer"
        )
    return {
        leaf.path: in_base(leaf, consistent_rms) * multipliers[leaf.path].muon for leaf in hidden
    }


def in_base(leaf: LeafShape, consistent_rms: Any) -> Any:
    """The factor that optax gives an orthogonal update in the base model."""
    inputs, outputs = fans(leaf, leaf.law_shape)
    if consistent_rms is None:
        return float(np.sqrt(np.float32(max(1.0, outputs / inputs))))  # As optax rounds it.
    return consistent_rms * math.sqrt(max(inputs, outputs))


def fans(leaf: LeafShape, shape: tuple[int, ...]) -> tuple[int, int]:
    """The sizes of the matrix that is orthogonalized."""
    inputs, outputs = axes_of(leaf)
    return math.prod(shape[axis] for axis in inputs), math.prod(shape[axis] for axis in outputs)


def axes_of(leaf: LeafShape) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes of the inputs, with the receptive field, and of the outputs."""
    beside = {*leaf.apart, *leaf.outputs}
    return tuple(axis for axis in range(len(leaf.shape)) if axis not in beside), leaf.outputs


def dimensions(shapes: Shapes, tree: PyTree) -> PyTree:
    """The dimension numbers of Muon, as a tree like that of the updates."""
    from optax.contrib import MuonDimensionNumbers

    def numbers(path: str) -> Any:
        return MuonDimensionNumbers(*axes_of(shapes[path]))

    return tree_unflatten(flatten(tree)[2], labelled(OWNER, shapes, tree, numbers))
