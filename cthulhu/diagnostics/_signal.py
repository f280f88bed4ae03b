"""`signal`: what becomes of an input on its way through a model, and of a gradient back."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from cthulhu._types import PyTree
from cthulhu.diagnostics._depth import Signal, SignalRow
from cthulhu.trees import frame_of, is_array
from cthulhu.usage._activations import Followed, followed
from cthulhu.usage._taps import tapped

OWNER = "signal"


class Forward(NamedTuple):
    """Statistics of an activation."""

    mean: jax.Array
    square: jax.Array
    cosine: jax.Array


class Backward(NamedTuple):
    """Statistics of the gradient that arrives there."""

    square: jax.Array
    dead: jax.Array


def signal(
    fn: Callable[..., Any],
    params: PyTree,
    *inputs: Any,
    cotangent: PyTree = None,
    backward: bool = True,
) -> Signal:
    """Measure the signal at every layer of a function, forward and backward, in one pass each.

    A layer is a contraction of which one side is a parameter, or a lookup in a table, with its
    bias. They are found in the program, as by `cthulhu.usage.infer`, and no framework takes part.
    In a ``scan`` there is a row for each step.

    Args:
        fn: any function ``(params, *inputs)``, as for `cthulhu.usage.infer`.
        params: the parameters: a pytree of arrays, of any framework.
        *inputs: a batch; its first axis counts the examples. What is no array is given to the
            function as it is.
        cotangent: the gradient that comes from behind, a tree like what `fn` returns. Default: 1
            for a scalar, as a loss is, and else standard normal values of a fixed key.
        backward: whether to go back; a ``while`` loop has no way back.

    Returns:
        A `Signal`: a table when printed, `leaves` as data. Of each layer the mean, the root mean
        square and the standard deviation of its output; the mean cosine between one example and
        the next; the root mean square of the gradient that arrives at the output, and the fraction
        of units, along the last axis, to which none arrives, from no example: those are dead.

    Raises:
        ValueError: the function uses none of the parameters, returns nothing that has a gradient,
            or an input is not finite.
        TypeError: as `cthulhu.usage.infer`.

    Example:
        With He's law, the second moment and the gradient keep their size in a ReLU network; with
        LeCun's, both are halved in each layer:

        >>> import jax, jax.numpy as jnp
        >>> from cthulhu.initializers import LecunNormal
        >>> keys = jax.random.split(jax.random.key(0), 8)
        >>> params = [LecunNormal()(key, (256, 256)) for key in keys]
        >>> def model(params, x):
        ...     for kernel in params:
        ...         x = jax.nn.relu(x @ kernel)
        ...     return x
        >>> x = jax.random.normal(jax.random.key(1), (64, 256))
        >>> rows = signal(model, params, x).leaves
        >>> forward, back = rows[-1].rms / rows[0].rms, rows[0].gradient / rows[-1].gradient
        >>> [round(float(ratio ** (1 / 7)), 1) for ratio in (forward, back)]  # √½ a layer.
        [0.7, 0.7]

    References:
        He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers",
        https://arxiv.org/abs/1502.01852. Poole, Lahiri, Raghu, Sohl-Dickstein and Ganguli (2016),
        "Exponential expressivity in deep neural networks through transient chaos",
        https://arxiv.org/abs/1606.05340
    """
    arrays = [leaf for leaf in jax.tree.leaves(inputs) if is_array(leaf)]
    check_finite(arrays)
    found = followed(OWNER, fn, params, *inputs)
    layers = [one for one in found.activations if one.path is not None]
    run = jax.jit(measuring(found, layers, batch_of(arrays), cotangent, backward))
    forward, back = jax.device_get(run(parameters(params), arrays))
    rows: list[SignalRow] = []
    for layer in layers:
        rows += rows_of(layer.name, layer.path, forward[layer.name], back.get(layer.name))
    return Signal(tuple(rows))


def parameters(params: PyTree) -> list[Any]:
    """The parameters, without what is around them."""
    return list(frame_of(params).parameters(jax.tree.leaves(params)))


def batch_of(arrays: Sequence[Any]) -> int:
    """The number of examples: the size of the first axis that an input has."""
    return next((array.shape[0] for array in arrays if len(array.shape)), 0)


def check_finite(arrays: Sequence[Any]) -> None:
    """Refuse inputs of which nothing could be said."""
    for at, array in enumerate(arrays):
        if jnp.issubdtype(array.dtype, jnp.inexact) and not bool(jnp.isfinite(array).all()):
            raise ValueError(
                f"{OWNER}: input {at + 1} has values that are not finite, so that all activations "
                "would be; leave them out"
            )


def measuring(
    found: Followed, layers: Sequence[Any], batch: int, cotangent: PyTree, backward: bool
) -> Callable[..., Any]:
    """The function of parameters and inputs to what is measured, by the names of layers."""
    look = tapped(
        found.traced.jaxpr,
        {one.place: one.name for one in layers},
        lambda value: forward_of(value, batch),
        lambda value, token: passed(value, token) if is_real(value) else value,
    )
    behind = cotangents(found.traced.jaxpr.out_avals, cotangent) if backward else None

    def run(known: list[Any], arrays: list[Any]) -> tuple[dict[str, Forward], dict[str, Backward]]:
        if behind is None:
            return look(*known, *arrays)[1], {}
        shapes = jax.eval_shape(look, *known, *arrays)[1]
        tokens = {
            name: Backward(*[jnp.zeros(one.square.shape, jnp.float32)] * 2)
            for name, one in shapes.items()
        }

        def weighted(given: dict[str, Backward]) -> tuple[jax.Array, dict[str, Forward]]:
            outputs, seen = look(*known, *arrays, given=given)
            pairs = [
                (one, other)
                for one, other in zip(outputs, behind, strict=True)
                if other is not None
            ]
            total = sum(jnp.sum(one.astype(jnp.float32) * other) for one, other in pairs)
            return jnp.asarray(total), seen

        back, seen = jax.grad(weighted, has_aux=True)(tokens)
        return seen, back

    return run


def cotangents(outputs: Sequence[Any], given: PyTree) -> list[Any]:
    """The gradient that comes from behind, for each output that has one."""
    if given is not None:
        leaves = jax.tree.leaves(given)
        shapes = [tuple(jnp.shape(leaf)) for leaf in leaves]
        if shapes != [tuple(one.shape) for one in outputs]:
            raise ValueError(
                f"{OWNER}: cotangent must be a tree like what the function returns, of the shapes "
                f"{[tuple(one.shape) for one in outputs]}; its leaves have {shapes}"
            )
        return [jnp.asarray(leaf, jnp.float32) for leaf in leaves]
    real = [jnp.issubdtype(one.dtype, jnp.floating) for one in outputs]
    if not any(real):
        raise ValueError(
            f"{OWNER}: the function returns {', '.join(map(str, outputs)) or 'nothing'}, which has "
            "no gradient; pass backward=False, or a function that returns activations or a loss"
        )
    key = jax.random.key(0)
    return [
        (jax.random.normal(jax.random.fold_in(key, at), one.shape) if one.shape else jnp.float32(1))
        if has_one
        else None
        for at, (one, has_one) in enumerate(zip(outputs, real, strict=True))
    ]


def is_real(value: jax.Array) -> bool:
    """Whether a gradient may arrive."""
    return bool(jnp.issubdtype(value.dtype, jnp.floating))


def forward_of(value: jax.Array, batch: int) -> Forward:
    """The statistics of an activation."""
    wide = (jnp.abs(value) if jnp.iscomplexobj(value) else value).astype(jnp.float32)
    cosine = jnp.float32(jnp.nan)
    if value.ndim > 1 and value.shape[0] == batch > 1:
        rows = wide.reshape(batch, -1)
        rows = rows / jnp.linalg.norm(rows, axis=1, keepdims=True)
        cosine = jnp.mean(jnp.sum(rows[1:] * rows[:-1], axis=1))
    return Forward(jnp.mean(wide), jnp.mean(jnp.square(wide)), cosine)


@jax.custom_vjp
def passed(value: jax.Array, token: Backward) -> jax.Array:
    """The value; on the way back, what stands for the gradient of the token tells of its own."""
    return value


def passed_forwards(value: jax.Array, token: Backward) -> tuple[jax.Array, None]:
    return value, None


def passed_backwards(_: None, gradient: jax.Array) -> tuple[jax.Array, Backward]:
    wide = gradient.astype(jnp.float32)
    others = tuple(range(max(0, wide.ndim - 1)))
    dead = jnp.mean(jnp.all(wide == 0, axis=others).astype(jnp.float32))
    return gradient, Backward(jnp.mean(jnp.square(wide)), dead)


passed.defvjp(passed_forwards, passed_backwards)


def rows_of(
    name: str, path: str | None, forward: Forward, back: Backward | None
) -> list[SignalRow]:
    """The rows of a layer: one, or one for each step of the loops around it."""
    means, squares, cosines = (values.reshape(-1).tolist() for values in forward)
    behind = () if back is None else [values.reshape(-1).tolist() for values in back]
    rows = []
    for at, (mean, square, cosine) in enumerate(zip(means, squares, cosines, strict=True)):
        gradient, dead = (values[at] for values in behind) if behind else (None, None)
        rows.append(
            SignalRow(
                path=name if len(means) == 1 else f"{name}[{at}]",
                parameter=path or name,
                step=None if len(means) == 1 else at,
                mean=mean,
                rms=math.sqrt(square),
                stddev=math.sqrt(max(square - mean * mean, 0.0)),
                cosine=None if math.isnan(cosine) else cosine,
                gradient=None if gradient is None else math.sqrt(gradient),
                dead=dead,
            )
        )
    return rows
