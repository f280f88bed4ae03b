"""Fans that shapes alone tell wrongly: with usage, LeCun's law has the deviation it should have."""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cthulhu import usage
from cthulhu.initializers import VarianceScaling
from cthulhu.params import init_params, plan
from cthulhu.trees import flatten, join
from tests.usage.zoo import Program, f32
from tests.usage.zoo.equinox import program as of_equinox
from tests.usage.zoo.linen import program as of_linen
from tests.usage.zoo.mixtures import dispatched
from tests.usage.zoo.nnx import program as of_nnx
from tests.usage.zoo.programs import scanned
from tests.usage.zoo.vision import convolved, depthwise_of_keras, transposed_of_keras

RATE = 1e-5  # Of false alarms of a case; the key is fixed.
BOUND = 4.42  # Of a normal number, at this rate.
KEY = jax.random.key(7)
IMAGE = f32(2, 8, 8, 64)


class Fans(NamedTuple):
    """A program, one of its kernels, and the number that its variance is the inverse of."""

    program: Callable[[], Program]
    path: str
    fan: int
    # What shapes alone give, in JAX's layout: None where it is the same.
    by_shape: int | None = None
    mode: str = "fan_in"


def of(fn: Any, shape: Any, *args: Any) -> Callable[[], Program]:
    return lambda: Program(fn, {"kernel": shape}, args)


def einsum(spec: str) -> Callable[[], Program]:
    return of(lambda p, x: jnp.einsum(spec, x, p["kernel"]), f32(512, 8, 64), f32(2, 3, 512))


EXPERTS = {"router": f32(64, 8), "wi": f32(8, 64, 256), "wo": f32(8, 256, 64)}
STACK = {"w": f32(12, 64, 64), "b": f32(12, 64)}

CASES = {
    "Einsum of linen": Fans(
        lambda: of_linen(nn.Einsum((512, 8, 64), "bsd,dhk->bshk"), f32(2, 3, 512)),
        "kernel",
        512,
        8 * 512,
    ),
    "Einsum of nnx": Fans(
        lambda: of_nnx(
            lambda rngs: nnx.Einsum("bsd,dhk->bshk", (512, 8, 64), rngs=rngs), f32(2, 3, 512)
        ),
        "kernel",
        512,
        8 * 512,
    ),
    "einsum": Fans(einsum("bsd,dhk->bshk"), "kernel", 512, 8 * 512),
    "DepthwiseConv2D of Keras": Fans(
        of(depthwise_of_keras, f32(3, 3, 64, 1), IMAGE), "kernel", 9, 9 * 64
    ),
    "Conv2DTranspose of Keras": Fans(
        of(transposed_of_keras, f32(3, 3, 256, 16), f32(2, 8, 8, 16)), "kernel", 9 * 16, 9 * 256
    ),
    "ConvTranspose of linen": Fans(
        lambda: of_linen(nn.ConvTranspose(256, (3, 3), transpose_kernel=True), f32(2, 8, 8, 16)),
        "kernel",
        9 * 16,
        9 * 256,
    ),
    "grouped, fan_out": Fans(
        of(lambda p, x: convolved(x, p["kernel"], 4), f32(3, 3, 16, 128), IMAGE),
        "kernel",
        9 * 32,
        9 * 128,
        "fan_out",
    ),
    "grouped, fan_in": Fans(
        of(lambda p, x: convolved(x, p["kernel"], 4), f32(3, 3, 16, 128), IMAGE), "kernel", 9 * 16
    ),
    "stacked": Fans(lambda: Program(scanned, STACK, (f32(2, 64),)), "w", 64, 12 * 64),
    "experts, in": Fans(lambda: Program(dispatched, EXPERTS, (f32(10, 64),)), "wi", 64, 8 * 64),
    "experts, out": Fans(lambda: Program(dispatched, EXPERTS, (f32(10, 64),)), "wo", 256, 8 * 256),
    "Conv2d of Equinox": Fans(
        lambda: of_equinox(lambda: eqx.nn.Conv2d(64, 128, 3, key=KEY), f32(2, 64, 8, 8)),
        "weight",
        9 * 64,
        128 * 64 * 3,
    ),
    "Linear of Equinox": Fans(
        lambda: of_equinox(lambda: eqx.nn.Linear(64, 256, key=KEY), f32(2, 64)),
        "weight",
        64,
        256,
    ),
}


@pytest.fixture(autouse=True)
def their_numerics() -> Iterator[None]:
    """The strictness of this suite is not for other libraries' code."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def deviates(values: Any, fan: int) -> bool:
    """Whether the deviation is not 1/√fan. That of n normal numbers deviates by 1/√(2n), or less
    where they are cut."""
    spread = float(np.asarray(values).std()) * math.sqrt(fan) - 1
    return abs(spread) > BOUND / math.sqrt(2 * values.size)


def rules(case: Fans, params: Any) -> list[Any]:
    """The law for the kernel, and zeros for what else there is."""
    law = VarianceScaling(1.0, case.mode, "truncated_normal")
    return [(case.path, law), (".*", "zeros")][: len(jax.tree.leaves(params))]


@pytest.mark.parametrize("name", CASES)
def test_the_deviation_is_that_of_the_fans_in_use(name: str) -> None:
    case = CASES[name]
    fn, params, args = case.program()
    found = usage.infer(fn, params, *args)
    kernel = at(init_params(7, params, rules(case, params), usage=found), case.path)
    assert not deviates(kernel, case.fan)
    if case.by_shape is not None:
        alone = init_params(7, params, rules(case, params), stacked={}, layout="in_out")
        assert not deviates(at(alone, case.path), case.by_shape)
        assert deviates(kernel, case.by_shape)


@pytest.mark.parametrize("name", CASES)
def test_a_plan_tells_these_fans(name: str) -> None:
    case = CASES[name]
    fn, params, args = case.program()
    rows = plan(params, rules(case, params), usage=usage.infer(fn, params, *args)).rows
    (row,) = (row for row in rows if row.path == case.path)
    assert (row.fan_in if case.mode == "fan_in" else row.fan_out) == case.fan


def at(tree: Any, path: str) -> Any:
    """The leaf of a tree at a path."""
    paths, leaves, _ = flatten(tree)
    return dict(zip(map(join, paths), leaves, strict=True))[path]
