"""Fans of the layers of Flax, Keras and Equinox, against what their outputs depend on.

The inputs that one output depends on are counted in the layer's Jacobian, and so are the
outputs that one input reaches, away from the borders.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from cthulhu import initializers
from cthulhu.fans import Layout, compute_fans

KEY = jax.random.key(0)
Layer = Callable[[jax.Array, jax.Array], jax.Array]


def linen(module: nn.Module) -> Layer:
    """A linen module as a function of its kernel and of its input."""
    return lambda kernel, x: module.apply({"params": {"kernel": kernel}}, x)  # type: ignore[return-value]


def equinox(layer: Any) -> Layer:
    return lambda weight, x: eqx.tree_at(lambda one: one.weight, layer, weight)(x)


def keras_depthwise(kernel: jax.Array, x: jax.Array) -> jax.Array:
    """What Keras's DepthwiseConv2D computes with a kernel of its shape."""
    *field, channels, multiplier = kernel.shape
    whole = kernel.reshape(*field, 1, channels * multiplier)
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x, whole, (1, 1), "SAME", dimension_numbers=numbers, feature_group_count=channels
    )


CONV = {"kernel_size": (3, 3), "use_bias": False}
IMAGE = (1, 7, 7)

# The layer, its kernel's shape, an input's shape, and how the fans are asked for.
LAYERS: dict[str, tuple[Layer, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "linen Dense": (
        linen(nn.Dense(5, use_bias=False)),
        (3, 5),
        (1, 3),
        {"layout": "linen_dense"},
    ),
    "linen Conv": (linen(nn.Conv(5, **CONV)), (3, 3, 2, 5), (*IMAGE, 2), {"layout": "linen_conv"}),
    "linen Conv in groups": (
        linen(nn.Conv(6, feature_group_count=2, **CONV)),
        (3, 3, 2, 6),
        (*IMAGE, 4),
        {"groups": 2},
    ),
    "linen depthwise": (
        linen(nn.Conv(6, feature_group_count=3, **CONV)),
        (3, 3, 1, 6),
        (*IMAGE, 3),
        {"layout": Layout(groups=3)},
    ),
    "linen ConvTranspose": (
        linen(nn.ConvTranspose(5, **CONV)),
        (3, 3, 2, 5),
        (*IMAGE, 2),
        {"layout": "linen_conv"},
    ),
    "linen ConvTranspose, transposed kernel": (
        linen(nn.ConvTranspose(5, transpose_kernel=True, **CONV)),
        (3, 3, 5, 2),
        (*IMAGE, 2),
        {"layout": "conv_transpose"},
    ),
    "linen DenseGeneral to heads": (
        linen(nn.DenseGeneral((4, 5), use_bias=False)),
        (3, 4, 5),
        (1, 3),
        {"layout": "attention_qkv"},
    ),
    "linen DenseGeneral from heads": (
        linen(nn.DenseGeneral(3, axis=(-2, -1), use_bias=False)),
        (4, 5, 3),
        (1, 4, 5),
        {"layout": "attention_out"},
    ),
    "an einsum of experts": (
        lambda kernel, x: jnp.einsum("ebd,edf->ebf", x, kernel),
        (2, 3, 4),
        (2, 1, 3),
        {"layout": Layout.einsum("ebd,edf->ebf")},
    ),
    "Keras DepthwiseConv2D": (
        keras_depthwise,
        (3, 3, 4, 2),
        (*IMAGE, 4),
        {"layout": "depthwise"},
    ),
    "Equinox Linear": (
        equinox(eqx.nn.Linear(3, 5, use_bias=False, key=KEY)),
        (5, 3),
        (3,),
        {"layout": "equinox_linear"},
    ),
    "Equinox Conv2d": (
        equinox(eqx.nn.Conv2d(2, 5, 3, padding=1, use_bias=False, key=KEY)),
        (5, 2, 3, 3),
        (2, 7, 7),
        {"layout": "equinox_conv"},
    ),
}


def measured(layer: Layer, kernel_shape: tuple[int, ...], x_shape: tuple[int, ...]) -> Any:
    """The most inputs of an output, and the most outputs of an input."""
    kernel = jnp.ones(kernel_shape)
    jacobian = jax.jacobian(lambda x: layer(kernel, x))(jnp.ones(x_shape))
    depends = np.asarray(jacobian != 0).reshape(-1, np.prod(x_shape))
    return depends.sum(1).max(), depends.sum(0).max()


@pytest.mark.parametrize("name", LAYERS)
def test_the_fans_are_what_a_layer_connects(name: str) -> None:
    layer, kernel, x, given = LAYERS[name]
    assert compute_fans(kernel, **given) == measured(layer, kernel, x)


# Layers of peers whose fans are counted wrong there, and the standard deviation that is meant:
# 1 / sqrt(fan_in), of LeCun.
MEANT = {
    "linen Einsum bsd,dhk->bshk": ((512, 8, 64), {"layout": "attention_qkv"}, 0.0442),
    "Keras DepthwiseConv2D": ((3, 3, 64, 1), {"layout": "depthwise"}, 0.333),
    "Keras Conv2DTranspose": ((3, 3, 256, 16), {"layout": "conv_transpose"}, 0.083),
    "a stack": ((12, 64, 64), {"layout": "stacked"}, 0.125),
    "experts": ((8, 64, 256), {"layout": "moe"}, 1 / 8),
    "Equinox Conv2d": ((128, 64, 3, 3), {"layout": "equinox_conv"}, 1 / 24),
}


@pytest.mark.parametrize("name", MEANT)
def test_what_peers_count_wrong(name: str) -> None:
    shape, given, stddev = MEANT[name]
    init = initializers.LecunNormal(**given)
    assert init.draw(shape).moments().stddev == pytest.approx(stddev, rel=0.01)
    assert float(init(KEY, shape).std()) == pytest.approx(stddev, rel=0.05)
    default = initializers.LecunNormal().draw(shape).moments().stddev
    assert default != pytest.approx(stddev, rel=0.2)


def test_an_initializer_for_an_einsum() -> None:
    init = initializers.HeNormal.for_einsum("bsd,dhk->bshk", seed=3)
    assert init == initializers.HeNormal(seed=3, in_axis=0, out_axis=(1, 2))
    module = nn.Einsum((6, 2, 3), "bsd,dhk->bshk", use_bias=False, kernel_init=init)
    kernel = module.init(KEY, jnp.ones((1, 4, 6)))["params"]["kernel"]
    same = initializers.HeNormal(layout="attention_qkv", seed=3)
    assert same.draw(kernel.shape).moments() == init.draw(kernel.shape).moments()
