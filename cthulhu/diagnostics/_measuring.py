"""What is measured of an activation, and of the gradient that arrives there."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax

from cthulhu._types import PyTree
from cthulhu.usage._activations import Activation
from cthulhu.usage._taps import tapped

# Mean squares between these are measured well in float32, whatever the values they are of.
SAFE = (1e-24, 1e24)


class Forward(NamedTuple):
    """Statistics of an activation."""

    mean: jax.Array
    rms: jax.Array
    cosine: jax.Array


class Backward(NamedTuple):
    """Statistics of the gradient that arrives there."""

    rms: jax.Array
    dead: jax.Array


Run: TypeAlias = Callable[..., tuple[dict[str, Forward], dict[str, Backward]]]


def measuring(
    program: Any, activations: Sequence[Activation], batch: int, given: bool, backward: bool
) -> Run:
    """The function of parameters, inputs and cotangents to what is measured, by name.

    Args:
        program: a function as a jaxpr.
        activations: where it is measured.
        batch: the number of examples.
        given: whether cotangents are given; else it makes them.
        backward: whether it goes back.
    """
    look = tapped(
        program,
        {one.place: one.name for one in activations},
        lambda value: forward_of(lax.stop_gradient(value), batch),
        lambda value, token: passed(value, token) if is_real(value) else value,
    )

    def run(
        known: list[Any], arrays: list[Any], cotangents: list[Any] | None
    ) -> tuple[dict[str, Forward], dict[str, Backward]]:
        if not backward:
            return look(*known, *arrays)[1], {}
        behind = cotangents if given else drawn(program.out_avals)
        assert behind is not None
        shapes = jax.eval_shape(look, *known, *arrays)[1]
        tokens = {
            name: Backward(*[jnp.zeros(one.rms.shape, jnp.float32)] * 2)
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

        # The gradient of what stands at the taps, and of nothing else: no parameter's is made.
        back, seen = jax.grad(weighted, has_aux=True)(tokens)
        return seen, back

    return run


def check_cotangent(owner: str, outputs: Sequence[Any], given: PyTree) -> list[Any] | None:
    """The gradient that comes from behind; `None` if it is to be drawn."""
    if given is not None:
        leaves = jax.tree.leaves(given)
        shapes = [tuple(jnp.shape(leaf)) for leaf in leaves]
        if shapes != [tuple(one.shape) for one in outputs]:
            raise ValueError(
                f"{owner}: cotangent must be a tree like what the function returns, of the shapes "
                f"{[tuple(one.shape) for one in outputs]}; its leaves have {shapes}"
            )
        return [jnp.asarray(leaf, jnp.float32) for leaf in leaves]
    if not any(map(is_real, outputs)):
        raise ValueError(
            f"{owner}: the function returns {', '.join(map(str, outputs)) or 'nothing'}, which has "
            "no gradient; pass backward=False, or a function that returns activations or a loss"
        )
    return None


def drawn(outputs: Sequence[Any]) -> list[Any]:
    """A gradient for each output that has one: 1 for a scalar, else standard normal values."""
    key = jax.random.key(0)
    return [
        (jax.random.normal(jax.random.fold_in(key, at), one.shape) if one.shape else jnp.float32(1))
        if is_real(one)
        else None
        for at, one in enumerate(outputs)
    ]


def is_real(value: Any) -> bool:
    """Whether a gradient may arrive."""
    return bool(jnp.issubdtype(value.dtype, jnp.floating))


def moments(wide: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and root mean square of float32 values in all their range, which squares may leave."""
    square = jnp.mean(jnp.square(wide))

    def rescaled(wide: jax.Array) -> tuple[jax.Array, jax.Array]:
        largest = jnp.max(jnp.abs(wide))
        scale = jnp.where((largest > 0) & jnp.isfinite(largest), largest, 1)
        within = wide / scale
        return jnp.mean(within) * scale, jnp.sqrt(jnp.mean(jnp.square(within))) * scale

    low, high = SAFE
    found: tuple[jax.Array, jax.Array] = lax.cond(
        (square > low) & (square < high),
        lambda wide: (jnp.mean(wide), jnp.sqrt(square)),
        rescaled,
        wide,
    )
    return found


@functools.partial(jax.jit, static_argnums=1)  # So that layers of one shape are traced once.
def forward_of(value: jax.Array, batch: int) -> Forward:
    """The statistics of an activation."""
    wide = (jnp.abs(value) if jnp.iscomplexobj(value) else value).astype(jnp.float32)
    mean, rms = moments(wide)
    cosine = jnp.float32(jnp.nan)
    if value.ndim > 1 and value.shape[0] == batch > 1:
        rows = (wide / rms).reshape(batch, -1)
        lengths = jnp.sqrt(jnp.sum(jnp.square(rows), axis=1))
        products = jnp.sum(rows[1:] * rows[:-1], axis=1)
        cosine = jnp.mean(products / (lengths[1:] * lengths[:-1]))
    return Forward(mean, rms, cosine)


@jax.custom_vjp
def passed(value: jax.Array, token: Backward) -> jax.Array:
    """The value; on the way back, what stands for the gradient of the token tells of its own."""
    return value


def passed_forwards(value: jax.Array, token: Backward) -> tuple[jax.Array, None]:
    return value, None


def passed_backwards(_: None, gradient: jax.Array) -> tuple[jax.Array, Backward]:
    return gradient, backward_of(gradient)


@jax.jit
def backward_of(gradient: jax.Array) -> Backward:
    """The statistics of a gradient."""
    wide = gradient.astype(jnp.float32)
    others = tuple(range(max(0, wide.ndim - 1)))
    dead = jnp.mean(jnp.all(wide == 0, axis=others).astype(jnp.float32))
    return Backward(moments(wide)[1], dead)


passed.defvjp(passed_forwards, passed_backwards)
