"""Biases of gates: by Keras's LSTM, and by what torch's does with them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu.initializers import UnitForgetGate


@pytest.mark.parametrize("order", ["ifgo", "ifco", "igfo", "ofig", "fico"])
def test_ones_are_where_the_forget_gate_is(order: str) -> None:
    gates = dict(zip(order, np.split(np.asarray(UnitForgetGate(order)((20,))), 4), strict=True))
    assert gates.pop("f").tolist() == [1.0] * 5
    assert not np.any(list(gates.values()))


def test_a_bias_is_that_of_keras() -> None:
    keras = pytest.importorskip("keras")
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        layer = keras.layers.LSTM(5, unit_forget_bias=True)
        layer.build((None, 3, 2))
        theirs = np.asarray(layer.cell.bias)
    assert np.array_equal(UnitForgetGate("ifco")(theirs.shape), theirs)


def test_an_lstm_of_torch_keeps_what_it_holds() -> None:
    torch = pytest.importorskip("torch")
    cell = torch.nn.LSTMCell(2, 3)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.bias_ih.copy_(torch.from_numpy(np.array(UnitForgetGate("ifgo")((12,)))))
        _, held = cell(torch.zeros(1, 2), (torch.zeros(1, 3), torch.ones(1, 3)))
    np.testing.assert_allclose(held.numpy(), np.full((1, 3), 1 / (1 + np.exp(-1))), rtol=1e-6)


def test_layers_are_stacked_along_leading_axes() -> None:
    stack = UnitForgetGate("ifgo")((3, 8))
    assert np.array_equal(stack, np.tile(UnitForgetGate("ifgo")((8,)), (3, 1)))
    for dtype in (jnp.bfloat16, np.int32, np.bool_, np.complex64):
        values = UnitForgetGate("ifgo")((3, 8), dtype)
        assert values.dtype == dtype
        assert np.array_equal(values, stack.astype(dtype))


def test_the_moments_count_the_ones() -> None:
    values = np.asarray(UnitForgetGate("ifgo")((3, 8)))
    told: Any = UnitForgetGate("ifgo").draw((3, 8)).moments()
    assert told == pytest.approx((values.mean(), values.std()), rel=1e-6)


def test_a_size_that_four_gates_do_not_share_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"unit_forget_gate: the last dimension must be a multiple of 4, .*\(6,\)$"
    ):
        UnitForgetGate("ifgo")((6,))
