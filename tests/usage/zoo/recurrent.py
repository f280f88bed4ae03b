"""Recurrent cells of Flax linen, of one step and in loops."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn

from tests.usage.zoo._model import Model, Program, f32
from tests.usage.zoo.linen import X, program

Cell = Callable[[], nn.RNNCellBase]


def step(make: Cell, table: str, *carry: Any) -> Model:
    """One step of a cell; its state is among the inputs."""
    state = carry[0] if len(carry) == 1 else carry
    return Model(lambda: program(make(), state, f32(3, 8)), table)


def loop(make: Cell, table: str, **options: Any) -> Model:
    """All steps; the state of the start are zeros."""
    return Model(lambda: program(nn.RNN(make(), **options), X), in_cell(table))


def in_cell(table: str) -> str:
    """The table of a cell, where it is a part named `cell`."""
    lines = [line.strip() for line in table.splitlines()]
    return "\n".join(f"cell/{line}" for line in lines if line and line[0] != "#")


def bidirectional() -> Program:
    return program(nn.Bidirectional(nn.RNN(nn.GRUCell(12)), nn.RNN(nn.GRUCell(12))), X)


# The sum of both kernels' outputs has one bias, which is added to one of them first.
LSTM = """
    i[ifgo]/kernel  kernel  io
    h[ifgo]/kernel  kernel  io
    h[ifgo]/bias    bias    o   <- ./kernel
"""
GRU = """
    (ir|iz|in)/kernel  kernel  io
    (ir|iz|in)/bias    bias    o   <- ./kernel
    (hr|hz|hn)/kernel  kernel  io
    hn/bias            bias    o   <- ./kernel
"""
SIMPLE = """
    (i|h)/kernel  kernel  io
    i/bias        bias    o   <- ./kernel
"""
MGU = """
    (if|in|hf|hn)/kernel  kernel  io
    (if|in|hn)/bias       bias    o   <- ./kernel
"""
CONV_LSTM = """
    (ih|hh)/kernel  kernel  ffio
    (ih|hh)/bias    bias    o    <- ./kernel
"""
H = f32(3, 12)
MAP = f32(3, 10, 9, 12)

MODELS = {
    "LSTMCell, a step": step(lambda: nn.LSTMCell(12), LSTM, H, H),
    "OptimizedLSTMCell, a step": step(lambda: nn.OptimizedLSTMCell(12), LSTM, H, H),
    "GRUCell, a step": step(lambda: nn.GRUCell(12), GRU, H),
    "SimpleCell, a step": step(lambda: nn.SimpleCell(12), SIMPLE, H),
    "MGUCell, a step": step(lambda: nn.MGUCell(12), MGU, H),
    "ConvLSTMCell, a step": Model(
        lambda: program(nn.ConvLSTMCell(12, (3, 2)), (MAP, MAP), f32(3, 10, 9, 8)), CONV_LSTM
    ),
    "LSTMCell": loop(lambda: nn.LSTMCell(12), LSTM),
    "LSTMCell, reversed and unrolled": loop(lambda: nn.LSTMCell(12), LSTM, reverse=True, unroll=5),
    "OptimizedLSTMCell": loop(lambda: nn.OptimizedLSTMCell(12), LSTM),
    "GRUCell": loop(lambda: nn.GRUCell(12), GRU),
    "SimpleCell, residual": loop(lambda: nn.SimpleCell(12, residual=True), SIMPLE),
    "Bidirectional": Model(
        bidirectional,
        """
        (forward|backward)_rnn/cell/(ir|iz|in)/kernel  kernel  io
        (forward|backward)_rnn/cell/(ir|iz|in)/bias    bias    o   <- ./kernel
        (forward|backward)_rnn/cell/(hr|hz|hn)/kernel  kernel  io
        (forward|backward)_rnn/cell/hn/bias            bias    o   <- ./kernel
        """,
    ),
}
