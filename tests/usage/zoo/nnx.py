"""Layers of Flax nnx, taken apart by `nnx.split` and put together by `nnx.merge`."""

from collections.abc import Callable
from typing import Any

from flax import nnx

from tests.usage.zoo._model import Model, Program, f32, i32

X = f32(3, 5, 8)
IMAGE = f32(3, 10, 9, 8)


def program(
    make: Callable[[nnx.Rngs], Any],
    *args: Any,
    only: Any = nnx.Param,
    call: Callable[..., Any] = lambda model, *args: model(*args),
) -> Program:
    """The variables of a kind are parameters; the others are as they were made."""
    graph, params, _ = nnx.split(nnx.eval_shape(lambda: make(nnx.Rngs(0))), only, ...)

    def fn(params: Any, *args: Any) -> Any:
        rest = nnx.split(make(nnx.Rngs(0)), only, ...)[2]
        return call(nnx.merge(graph, params, rest), *args)

    return Program(fn, params, args)


def layer(make: Callable[[nnx.Rngs], Any], table: str, *args: Any, **options: Any) -> Model:
    return Model(lambda: program(make, *(args or (X,)), **options), table)


class Block(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.up = nnx.Linear(8, 12, rngs=rngs)
        self.down = nnx.Linear(12, 8, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return x + self.down(nnx.relu(self.up(x)))


class Stack(nnx.Module):
    """Blocks that are made by vmap and run by scan."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        @nnx.split_rngs(splits=4)
        @nnx.vmap(in_axes=(0,), out_axes=0)
        def make(rngs: nnx.Rngs) -> Block:
            return Block(rngs)

        self.blocks = make(rngs)

    def __call__(self, x: Any) -> Any:
        @nnx.scan(in_axes=(0, nnx.Carry), out_axes=nnx.Carry)
        def run(block: Block, x: Any) -> Any:
            return block(x)

        return run(self.blocks, x)


def together(model: Any, x: Any) -> Any:
    """An ensemble, each of inputs of its own."""
    return nnx.vmap(lambda model, x: model(x), in_axes=(0, 0))(model, x)


def members(rngs: nnx.Rngs) -> Any:
    make = nnx.vmap(lambda rngs: nnx.Linear(8, 12, rngs=rngs), in_axes=(0,), out_axes=0)
    return nnx.split_rngs(splits=4)(make)(rngs)


LINEAR = """
    kernel  kernel  io
    bias    bias    o   <- ./kernel
"""
CONV = """
    kernel  kernel  ffio
    bias    bias    o    <- ./kernel
"""
NORM = """
    scale  scale  o
    bias   bias   o
"""
H = f32(3, 12)
LORA = nnx.LoRAParam

MODELS = {
    "Linear": layer(lambda rngs: nnx.Linear(8, 12, rngs=rngs), LINEAR),
    "LinearGeneral": layer(
        lambda rngs: nnx.LinearGeneral((5, 8), (6, 2), axis=(-2, -1), rngs=rngs),
        """
        kernel  kernel  iioo
        bias    bias    oo   <- ./kernel
        """,
    ),
    "Einsum": layer(
        lambda rngs: nnx.Einsum("bsd,dhk->bshk", (8, 2, 6), (2, 6), rngs=rngs),
        """
        kernel  kernel  ioo
        bias    bias    oo   <- ./kernel
        """,
    ),
    "Conv": layer(lambda rngs: nnx.Conv(8, 12, (3, 2), rngs=rngs), CONV, IMAGE),
    "Conv, depthwise": layer(
        lambda rngs: nnx.Conv(8, 16, (3, 2), feature_group_count=8, rngs=rngs),
        """
        kernel  kernel  ffio groups=8
        bias    bias    o    <- ./kernel
        """,
        IMAGE,
    ),
    "ConvTranspose": layer(lambda rngs: nnx.ConvTranspose(8, 12, (3, 2), rngs=rngs), CONV, IMAGE),
    "ConvTranspose, transpose_kernel": layer(
        lambda rngs: nnx.ConvTranspose(8, 12, (3, 2), 2, transpose_kernel=True, rngs=rngs),
        """
        kernel  kernel  ffoi
        bias    bias    o    <- ./kernel
        """,
        IMAGE,
    ),
    "Embed": layer(lambda rngs: nnx.Embed(11, 8, rngs=rngs), "embedding  table  io", i32(3, 5)),
    "Embed, tied": layer(
        lambda rngs: nnx.Embed(11, 8, rngs=rngs),
        "embedding  table  io tied",
        i32(3, 5),
        call=lambda embed, ids: embed.attend(nnx.relu(embed(ids))),
    ),
    "attention": layer(
        lambda rngs: nnx.MultiHeadAttention(2, 8, decode=False, rngs=rngs),
        """
        (query|key|value)/kernel  kernel  ioo
        (query|key|value)/bias    bias    oo   <- ./kernel
        out/kernel                kernel  iio
        out/bias                  bias    o    <- ./kernel
        """,
    ),
    "LSTMCell": layer(
        lambda rngs: nnx.LSTMCell(8, 12, rngs=rngs),
        """
        (ii|if_|ig|io)/kernel  kernel  io
        (hi|hf|hg|ho)/kernel   kernel  io
        (hi|hf|hg|ho)/bias     bias    o   <- ./kernel
        """,
        (H, H),
        f32(3, 8),
    ),
    "GRUCell": layer(
        lambda rngs: nnx.GRUCell(8, 12, rngs=rngs),
        # All gates in one kernel, whose output is taken apart.
        """
        (dense_i|dense_h)/kernel  kernel  io
        dense_i/bias              bias    o   <- ./kernel
        """,
        H,
        f32(3, 8),
    ),
    "RNN of GRUCell": layer(
        lambda rngs: nnx.RNN(nnx.GRUCell(8, 12, rngs=rngs)),
        """
        cell/(dense_i|dense_h)/kernel  kernel  io
        cell/dense_i/bias              bias    o   <- ./kernel
        """,
        call=lambda rnn, x: rnn(x, rngs=nnx.Rngs(0)),
    ),
    "LayerNorm": layer(lambda rngs: nnx.LayerNorm(8, rngs=rngs), NORM),
    "RMSNorm": layer(lambda rngs: nnx.RMSNorm(8, rngs=rngs), "scale  scale  o"),
    "BatchNorm": layer(lambda rngs: nnx.BatchNorm(8, rngs=rngs), NORM),
    "BatchNorm with its statistics": layer(
        lambda rngs: nnx.BatchNorm(8, use_running_average=True, rngs=rngs),
        """
        scale  scale  o
        bias   bias   o
        mean   bias   o  # Subtracted.
        var    scale  o  # By the root of its inverse.
        """,
        only=(nnx.Param, nnx.BatchStat),
    ),
    "LoRA of a Linear": layer(
        lambda rngs: nnx.LoRA(8, 2, 12, base_module=nnx.Linear(8, 12, rngs=rngs), rngs=rngs),
        """
        lora_(a|b)          kernel  io
        base_module/kernel  kernel  io
        base_module/bias    bias    o   <- ./kernel
        """,
    ),
    "LoRA alone": layer(
        lambda rngs: nnx.LoRA(8, 2, 12, base_module=nnx.Linear(8, 12, rngs=rngs), rngs=rngs),
        "lora_(a|b)  kernel  io",
        only=LORA,
    ),
    "LoRALinear": layer(
        lambda rngs: nnx.LoRALinear(8, 12, lora_rank=2, rngs=rngs),
        """
        lora/lora_(a|b)  kernel  io
        kernel           kernel  io
        bias             bias    o   <- kernel
        """,
    ),
    "scan": layer(
        Stack,
        """
        blocks/(up|down)/kernel  kernel  sio
        blocks/(up|down)/bias    bias    so   <- ./kernel
        """,
    ),
    "vmap": layer(
        members,
        """
        kernel  kernel  bio
        bias    bias    oo   <- ./kernel
        """,
        f32(4, 3, 8),
        call=together,
    ),
}
