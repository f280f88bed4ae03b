"""`calibrate` against the reference of LSUV, the authors' package for PyTorch."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from cthulhu.calibration import Calibration, calibrate

pytest.importorskip("torch")
pytest.importorskip("lsuv")

import lsuv
import torch
from torch import nn

BATCH = 256


class Pair(NamedTuple):
    """A model of torch, and its function here, of weights by the names of torch."""

    model: Callable[[], nn.Module]
    fn: Callable[[Any, Any], Any]
    batch: Callable[[], Any]


def deep(layers: int, width: int) -> Callable[[], nn.Module]:
    """An MLP without biases."""

    def make() -> nn.Module:
        each = [(nn.Linear(width, width, bias=False), nn.ReLU()) for _ in range(layers)]
        return nn.Sequential(*itertools.chain.from_iterable(each))

    return make


def mlp(p: Any, x: Any) -> Any:
    for name in sorted(p, key=lambda name: int(name.split(".")[0])):
        x = jax.nn.relu(x @ p[name].T)
    return x


def biased() -> nn.Module:
    """A layer with the bias that torch draws, which no factor changes.

    Of several, the reference would have all corrections after a layer's first in the first layer:
    what counts the layers up to the one to be corrected is not reset between attempts.
    """
    return nn.Sequential(nn.Linear(32, 48))


def with_bias(p: Any, x: Any) -> Any:
    return x @ p["0.weight"].T + p["0.bias"][None]


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, groups=4, bias=False),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 8, 2, stride=2, bias=False),
        nn.Flatten(),
        nn.Linear(8 * 14 * 14, 400, bias=False),
    )


def convolutions(p: Any, x: Any) -> Any:
    dims = ("NCHW", "OIHW", "NCHW")
    x = lax.conv_general_dilated(x, p["0.weight"], (1, 1), "SAME", dimension_numbers=dims)
    x = lax.conv_general_dilated(
        jax.nn.relu(x),
        p["2.weight"],
        (2, 2),
        "VALID",
        dimension_numbers=dims,
        feature_group_count=4,
    )
    # A transposed convolution of torch has kernels of (in, out), flipped.
    kernel = jnp.flip(p["4.weight"], (2, 3))
    x = lax.conv_general_dilated(
        jax.nn.relu(x),
        kernel,
        (1, 1),
        [(1, 1), (1, 1)],
        lhs_dilation=(2, 2),
        dimension_numbers=("NCHW", "IOHW", "NCHW"),
    )
    return x.reshape(x.shape[0], -1) @ p["6.weight"].T


class Residual(nn.Module):
    """In the order in which it runs: the reference goes by the order of the modules."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(32, 64, bias=False), nn.ReLU(), nn.Linear(64, 32, bias=False))
            for _ in range(6)
        )

    def forward(self, x: Any) -> Any:
        for block in self.blocks:
            x = x + block(x)
        return x


def residual(p: Any, x: Any) -> Any:
    for layer in range(6):
        hidden = jax.nn.relu(x @ p[f"blocks.{layer}.0.weight"].T)
        x = x + hidden @ p[f"blocks.{layer}.2.weight"].T
    return x


def rows(width: int) -> Callable[[], Any]:
    return lambda: torch.randn(BATCH, width)


MODELS = {
    "an MLP of 20 layers": Pair(deep(20, 64), mlp, rows(64)),
    "a bias": Pair(biased, with_bias, rows(32)),
    "convolutions": Pair(convolutional, convolutions, lambda: torch.randn(32, 3, 16, 16)),
    "residual branches": Pair(Residual, residual, rows(32)),
}


def weights(model: nn.Module) -> dict[str, np.ndarray]:
    return {name: one.detach().numpy().copy() for name, one in model.named_parameters()}


def of_reference(model: nn.Module, batch: Any, **options: Any) -> tuple[dict[str, Any], int]:
    """The factors of the reference, and how often it ran the model."""
    before = weights(model)
    runs = []
    model.register_forward_hook(lambda *_: runs.append(1))
    lsuv.lsuv_with_singlebatch(model, batch, do_orthonorm=False, verbose=False, **options)
    after = weights(model)
    factors = {}
    for name, old in before.items():
        if name.endswith("weight"):
            largest = np.abs(old).argmax()
            factors[name] = after[name].flat[largest] / old.flat[largest]
    return factors, len(runs)


@pytest.mark.parametrize("name", MODELS)
def test_factors_are_those_of_the_reference(name: str) -> None:
    """To 1e-4, where the reference goes on until its own standard deviations are right.

    It has the standard deviation of a sample, which is by 1 / 2n larger.
    """
    torch.manual_seed(0)
    pair = MODELS[name]
    model, batch = pair.model(), pair.batch()
    params = weights(model)
    # One that the reference takes as right stays as it is; here it would be corrected.
    expected, _ = of_reference(model, batch, std_tol=1e-6, max_attempts=30)
    _, found = calibrate(pair.fn, params, jnp.asarray(batch.numpy()), tolerance=1e-6, passes=30)
    assert found.factors.keys() == expected.keys()
    for path, factor in found.factors.items():
        assert float(factor) == pytest.approx(expected[path], rel=1e-4), path


def test_the_reference_runs_the_model_more_often() -> None:
    torch.manual_seed(0)
    pair = MODELS["an MLP of 20 layers"]
    model, batch = pair.model(), pair.batch()
    params = weights(model)
    expected, runs = of_reference(model, batch)
    found = calibrate(pair.fn, params, jnp.asarray(batch.numpy()))[1]
    assert isinstance(found, Calibration)
    assert runs == 2 * 20  # To measure each layer, and to see what its correction did.
    assert 5 * int(found.passes) <= runs
    for path, factor in found.factors.items():
        assert float(factor) == pytest.approx(expected[path], rel=1e-4), path


def test_an_orthonormal_start_is_that_of_the_reference() -> None:
    """Other random numbers of the same law; in the first layer, the factor is that of the batch."""
    torch.manual_seed(0)
    pair = MODELS["an MLP of 20 layers"]
    model, batch = pair.model(), pair.batch()
    params = weights(model)
    lsuv.lsuv_with_singlebatch(model, batch, std_tol=1e-6, max_attempts=30, verbose=False)
    expected = weights(model)
    new, _ = calibrate(pair.fn, params, jnp.asarray(batch.numpy()), orthonormal=0)
    for layer in range(20):
        one, other = np.asarray(new[f"{2 * layer}.weight"]), expected[f"{2 * layer}.weight"]
        # A multiple of an orthonormal matrix of 64 rows has the Frobenius norm of 8 times it.
        factor, theirs = np.linalg.norm(one) / 8.0, np.linalg.norm(other) / 8.0
        for matrix, size in ((one, factor), (other, theirs)):
            np.testing.assert_allclose(matrix @ matrix.T / size**2, np.eye(64), atol=1e-4)
        if layer == 0:
            assert factor == pytest.approx(theirs, rel=1e-4)
