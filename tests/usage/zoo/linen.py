"""Layers of Flax linen."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from tests.usage.zoo._model import Model, Program, f32, i32

KEY = jax.random.key(0)
X = f32(3, 5, 8)
IMAGE = f32(3, 10, 9, 8)


def program(module: nn.Module, *args: Any, mutable: Any = False, **options: Any) -> Program:
    """A module's parameters and its call; `options` are those of the call."""
    init = jax.eval_shape(lambda *args: module.init(KEY, *args, **options), *args)

    def fn(params: Any, *args: Any) -> Any:
        # Statistics that are no parameters are zeros.
        state = {name: zeros(of) for name, of in init.items() if name != "params"}
        return module.apply({"params": params, **state}, *args, mutable=mutable, **options)

    return Program(fn, init["params"], args)


def zeros(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), tree)


def layer(make: Callable[[], nn.Module], table: str, *args: Any, **options: Any) -> Model:
    return Model(lambda: program(make(), *(args or (X,)), **options), table)


def with_statistics(module: nn.Module, *args: Any, train: bool = False) -> Program:
    """Statistics among the parameters: those of `module.apply`'s first argument."""
    variables = jax.eval_shape(module.init, KEY, *args)

    def fn(variables: Any, *args: Any) -> Any:
        return module.apply(variables, *args, mutable=["batch_stats"] if train else False)

    return Program(fn, variables, args)


class Scanned(nn.Module):
    """A stack of MLPs, its parameters stacked along `axis`."""

    axis: int = 0
    remat: bool = False

    @nn.compact
    def __call__(self, x: Any) -> Any:
        block = nn.remat(MLP, prevent_cse=False) if self.remat else MLP
        step = nn.scan(
            lambda module, x, _: (x + module(x), None),
            variable_axes={"params": self.axis},
            split_rngs={"params": True},
            length=4,
        )
        return step(block(name="block"), x, None)[0]


class MLP(nn.Module):
    """Two layers."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        return nn.Dense(x.shape[-1], name="down")(nn.relu(nn.Dense(12, name="up")(x)))


class Together(nn.Module):
    """An ensemble of 4; `each` has inputs of its own."""

    each: bool

    @nn.compact
    def __call__(self, x: Any) -> Any:
        dense = nn.vmap(
            nn.Dense,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            in_axes=0 if self.each else None,
            axis_size=4,
        )
        return dense(12, name="dense")(x)


DENSE = """
    kernel  kernel  io
    bias    bias    o   <- ./kernel
"""
CONV = """
    kernel  kernel  ffio
    bias    bias    o   <- ./kernel
"""
NORM = """
    scale  scale  o
    bias   bias   o  # It is added to what is scaled, not to a kernel's output.
"""

MODELS = {
    "Dense": layer(lambda: nn.Dense(12), DENSE),
    "Dense of a vector": layer(lambda: nn.Dense(12), DENSE, f32(8)),
    "Dense in half": layer(lambda: nn.Dense(12, dtype=jnp.bfloat16), DENSE),
    "DenseGeneral": layer(
        lambda: nn.DenseGeneral((6, 2), axis=(-2, -1)),
        """
        kernel  kernel  iioo
        bias    bias    oo   <- ./kernel
        """,
    ),
    "DenseGeneral with batch_dims": layer(
        lambda: nn.DenseGeneral(12, axis=-1, batch_dims=0),
        # An axis that a bias shares with the batch is one more of its elements.
        """
        kernel  kernel  bio
        bias    bias    oo   <- ./kernel
        """,
    ),
    "Einsum": layer(
        lambda: nn.Einsum((8, 2, 6), "bsd,dhk->bshk"),
        """
        kernel  kernel  ioo
        bias    bias    oo   <- ./kernel
        """,
    ),
    "Einsum, outputs first": layer(
        lambda: nn.Einsum((6, 8, 2), "bsd,kdh->bshk", use_bias=False), "kernel  kernel  oio"
    ),
    "Einsum of experts": layer(
        lambda: nn.Einsum((3, 8, 12), "ebd,edf->ebf", use_bias=False), "kernel  kernel  bio"
    ),
    "Conv, 1-D": layer(
        lambda: nn.Conv(12, (3,)),
        """
        kernel  kernel  fio
        bias    bias    o   <- ./kernel
        """,
    ),
    "Conv, strided": layer(lambda: nn.Conv(12, (3, 2), (2, 1)), CONV, IMAGE),
    "Conv, circular": layer(lambda: nn.Conv(12, (3, 2), padding="CIRCULAR"), CONV, IMAGE),
    "Conv, dilated": layer(lambda: nn.Conv(12, (3, 2), kernel_dilation=2), CONV, IMAGE),
    "Conv, masked": layer(lambda: nn.Conv(12, (3, 2), mask=jnp.ones((3, 2, 8, 12))), CONV, IMAGE),
    "Conv, grouped": layer(
        lambda: nn.Conv(12, (3, 2), feature_group_count=4),
        """
        kernel  kernel  ffio groups=4
        bias    bias    o    <- ./kernel
        """,
        IMAGE,
    ),
    "Conv, depthwise": layer(
        lambda: nn.Conv(16, (3, 2), feature_group_count=8, use_bias=False),
        "kernel  kernel  ffio groups=8",
        IMAGE,
    ),
    "ConvLocal": layer(
        lambda: nn.ConvLocal(12, (3,)),
        # Each place has a kernel of its own for its patch, and a bias.
        """
        kernel  kernel  bio
        bias    bias    oo   <- ./kernel
        """,
    ),
    "ConvTranspose": layer(lambda: nn.ConvTranspose(12, (3, 2), (2, 1)), CONV, IMAGE),
    "ConvTranspose, transpose_kernel": layer(
        lambda: nn.ConvTranspose(12, (3, 2), (2, 1), transpose_kernel=True),
        # The kernel is that of the convolution whose gradient this is.
        """
        kernel  kernel  ffoi
        bias    bias    o    <- ./kernel
        """,
        IMAGE,
    ),
    "Embed": layer(lambda: nn.Embed(11, 8), "embedding  table  io", i32(3, 5)),
    "Embed.attend": Model(
        # The table is only made when it is called; its use as a head is all that is here.
        lambda: Program(
            lambda params, x: nn.Embed(11, 8).apply({"params": params}, x, method="attend"),
            {"embedding": f32(11, 8)},
            (X,),
        ),
        "embedding  kernel  oi",
    ),
    "attention": layer(
        lambda: nn.MultiHeadDotProductAttention(2, normalize_qk=True),
        """
        (query|key|value)/kernel  kernel  ioo
        (query|key|value)/bias    bias    oo   <- ./kernel
        (query|key)_ln/scale      scale   o
        out/kernel                kernel  iio
        out/bias                  bias    o    <- ./kernel
        """,
    ),
    "LayerNorm": layer(nn.LayerNorm, NORM),
    "LayerNorm over two axes": layer(
        lambda: nn.LayerNorm(reduction_axes=(-2, -1), feature_axes=(-2, -1)),
        """
        scale  scale  oo
        bias   bias   oo
        """,
    ),
    "RMSNorm": layer(nn.RMSNorm, "scale  scale  o"),
    "GroupNorm": layer(lambda: nn.GroupNorm(4), NORM),
    "BatchNorm": layer(nn.BatchNorm, NORM, use_running_average=False, mutable=["batch_stats"]),
    "BatchNorm, its statistics given": layer(lambda: nn.BatchNorm(True), NORM),
    "BatchNorm with its statistics": Model(
        lambda: with_statistics(nn.BatchNorm(True), X),
        """
        params/scale      scale  o
        params/bias       bias   o
        batch_stats/mean  bias   o  # Subtracted.
        batch_stats/var   scale  o  # By the root of its inverse.
        """,
    ),
    "BatchNorm, training with its statistics": Model(
        lambda: with_statistics(nn.BatchNorm(False), X, train=True),
        # The old statistics are averaged with new ones, which are of the activations.
        """
        params/scale             scale  o
        params/bias              bias   o
        batch_stats/(mean|var)   bias   o
        """,
    ),
    "WeightNorm": layer(
        lambda: nn.WeightNorm(nn.Dense(12)),
        # x @ (v g / |v|) is (x @ v) g / |v|: g scales each output.
        """
        layer_instance/kernel        kernel  io
        layer_instance/bias          bias    o   <- ./kernel
        layer_instance/kernel/scale  scale   o
        """,
    ),
    "SpectralNorm": layer(
        lambda: nn.SpectralNorm(nn.Dense(12)),
        # The power iteration is of the parameters alone: it is no use by the activations.
        """
        layer_instance/kernel  kernel  io
        layer_instance/bias    bias    o   <- ./kernel
        """,
        update_stats=False,
    ),
    "SpectralNorm, in training": layer(
        lambda: nn.SpectralNorm(nn.Dense(12), n_steps=2),
        # Activations there are, the vectors of the power iteration, which go both ways.
        """
        layer_instance/kernel  kernel  io  tied
        layer_instance/bias    bias    o   <- ./kernel
        """,
        mutable=["batch_stats"],
        update_stats=True,
    ),
    "PReLU": layer(nn.PReLU, "negative_slope  scale  ()"),
    "Sequential": layer(
        lambda: nn.Sequential([nn.Dense(12), nn.relu, nn.Dense(7)]),
        r"""
        layers_\d/kernel  kernel  io
        layers_\d/bias    bias    o   <- ./kernel
        """,
    ),
    "remat": layer(
        nn.remat(MLP),
        """
        (up|down)/kernel  kernel  io
        (up|down)/bias    bias    o   <- ./kernel
        """,
    ),
    "scan": layer(
        Scanned,
        """
        block/(up|down)/kernel  kernel  sio
        block/(up|down)/bias    bias    so   <- ./kernel
        """,
    ),
    "scan along the second axis": layer(
        lambda: Scanned(axis=1),
        """
        block/(up|down)/kernel  kernel  iso
        block/(up|down)/bias    bias    os   <- ./kernel
        """,
    ),
    "scan of remat": layer(
        lambda: Scanned(remat=True),
        """
        block/(up|down)/kernel  kernel  sio
        block/(up|down)/bias    bias    so   <- ./kernel
        """,
    ),
    "vmap over the inputs too": layer(
        lambda: Together(each=True),
        """
        dense/kernel  kernel  bio
        dense/bias    bias    oo   <- ./kernel
        """,
        f32(4, 3, 8),
    ),
    "vmap over the parameters": layer(
        lambda: Together(each=False),
        # One product with the same inputs for all members: more outputs, as of many heads.
        """
        dense/kernel  kernel  oio
        dense/bias    bias    oo   <- ./kernel
        """,
    ),
}
