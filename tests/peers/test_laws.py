"""Laws against the peers themselves: values of theirs and of ours come from one distribution.

Each row is one initializer of Keras, Haiku or PyTorch with these options, and ours. A row has a
two-sample Kolmogorov-Smirnov test, and a comparison of means and standard deviations, each with a
false-alarm rate of at most 1e-6 over keys; all keys and seeds are fixed.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from scipy import stats

from cthulhu import initializers
from cthulhu.initializers import (
    Blocked,
    Kaiming,
    LoraA,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    Sparse,
    TorchBias,
    TorchLinear,
    TruncatedNormal,
    VarianceScaling,
    Xavier,
    ZeroFirst,
)
from tests.cases import KEY

ALPHA = 1e-6
SIGMAS = 5.3  # Two-sided, of a normal: 1.2e-7 for the mean and as much for the deviation.

KERNEL, CONVOLUTION = (240, 300), (3, 3, 60, 120)


@pytest.fixture(autouse=True)
def their_numerics() -> Iterator[None]:
    """The strictness of this suite is not for other libraries' code."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def same_law(ours: Any, theirs: Any) -> None:
    """Two samples of one law: their distributions, their means, their standard deviations."""
    ours, theirs = (np.ravel(np.asarray(one, np.float64)) for one in (ours, theirs))
    assert stats.ks_2samp(ours, theirs).pvalue > ALPHA
    error = math.sqrt(1 / len(ours) + 1 / len(theirs))
    spread = theirs.std()
    assert abs(ours.mean() - theirs.mean()) <= SIGMAS * spread * error + 1e-9
    # The variance of a sample's variance is (kurtosis - 1) / n of its square.
    kurtosis = np.mean((theirs - theirs.mean()) ** 4) / spread**4
    assert abs(ours.std() / spread - 1) <= SIGMAS * error * math.sqrt(kurtosis - 1) / 2 + 1e-6


OF_KERAS = [
    keras.initializers.RandomNormal(0.3, 0.2, seed=1),
    keras.initializers.RandomUniform(-0.2, 0.7, seed=1),
    keras.initializers.TruncatedNormal(0.1, 0.5, seed=1),
    *(
        keras.initializers.VarianceScaling(1.7, mode, distribution, seed=1)
        for mode in ("fan_in", "fan_out", "fan_avg")
        for distribution in ("truncated_normal", "untruncated_normal", "uniform")
    ),
    *(
        getattr(keras.initializers, name)(seed=1)
        for name in (
            *("GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform"),
            *("LecunNormal", "LecunUniform", "Orthogonal"),
        )
    ),
]


def called(theirs: Any) -> str:
    """The name of a class of Keras, with what tells it from others."""
    config = theirs.get_config()
    told = [str(config[name]) for name in ("mode", "distribution") if name in config]
    return "-".join([type(theirs).__name__, *told])


@pytest.mark.parametrize("shape", [KERNEL, CONVOLUTION], ids=str)
@pytest.mark.parametrize("theirs", OF_KERAS, ids=called)
def test_laws_of_keras(theirs: Any, shape: tuple[int, ...]) -> None:
    same_law(initializers.get(theirs)(KEY, shape), theirs(shape))


OF_HAIKU: list[tuple[Any, Any]] = [
    (hk.initializers.RandomNormal(0.2, 0.3), RandomNormal(0.3, 0.2)),
    (hk.initializers.RandomUniform(-0.2, 0.7), RandomUniform(-0.2, 0.7)),
    (hk.initializers.TruncatedNormal(0.5, 0.1), TruncatedNormal(0.1, 0.5)),
    (
        hk.initializers.TruncatedNormal(0.5, 0.1, lower=-1.0, upper=2.5),
        TruncatedNormal(0.1, 0.5, lower=-1.0, upper=2.5),
    ),
    *(
        (
            hk.initializers.VarianceScaling(1.7, mode, distribution),
            VarianceScaling(1.7, mode, own),
        )
        for mode in ("fan_in", "fan_out", "fan_avg")
        for distribution, own in (
            ("truncated_normal", "truncated_normal"),
            ("normal", "untruncated_normal"),
            ("uniform", "uniform"),
        )
    ),
    (hk.initializers.UniformScaling(1.3), VarianceScaling(1.3**2, "fan_in", "uniform")),
    (hk.initializers.Orthogonal(1.5), Orthogonal(1.5)),
    (
        hk.initializers.VarianceScaling(1.7, fan_in_axes=(0,)),
        VarianceScaling(1.7, in_axis=0, out_axis=1),
    ),
]


def repr_of_ours(one: Any) -> str:
    """A row by our initializer."""
    return repr(one) if isinstance(one, initializers.Initializer) else type(one).__name__


@pytest.mark.parametrize(("theirs", "ours"), OF_HAIKU, ids=repr_of_ours)
def test_laws_of_haiku(theirs: Any, ours: Any) -> None:
    drawn = hk.transform(lambda: theirs(KERNEL, jnp.float32)).apply({}, jax.random.key(5))
    same_law(ours(KEY, KERNEL), drawn)


def test_the_identity_of_haiku() -> None:
    theirs = hk.transform(lambda: hk.initializers.Identity(2.0)((3, 5), jnp.float32))
    drawn = theirs.apply({}, jax.random.key(0))
    np.testing.assert_array_equal(initializers.Identity(2.0)(None, (3, 5)), drawn)


# What PyTorch draws into a new weight: a function of `torch`; and the initializer for its shape.
OF_TORCH: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "uniform_": (
        lambda t: t.nn.init.uniform_(t.empty(300, 240), -0.2, 0.7),
        RandomUniform(-0.2, 0.7),
    ),
    "normal_": (lambda t: t.nn.init.normal_(t.empty(300, 240), 0.3, 0.2), RandomNormal(0.3, 0.2)),
    "trunc_normal_": (
        lambda t: t.nn.init.trunc_normal_(t.empty(300, 240), 0.1, 0.5, -0.3, 1.2),
        TruncatedNormal(0.1, 0.5, lower=-0.3, upper=1.2, absolute=True),
    ),
    "xavier_uniform_": (
        lambda t: t.nn.init.xavier_uniform_(t.empty(300, 240), gain=1.4),
        Xavier(1.4, "uniform", layout="torch_linear"),
    ),
    "xavier_normal_": (
        lambda t: t.nn.init.xavier_normal_(t.empty(120, 60, 3, 3), gain=1.4),
        Xavier(1.4, layout="torch_conv"),
    ),
    "kaiming_uniform_": (
        lambda t: t.nn.init.kaiming_uniform_(t.empty(300, 240), a=0.3),
        Kaiming(0.3, distribution="uniform", layout="torch_linear"),
    ),
    "kaiming_normal_": (
        lambda t: t.nn.init.kaiming_normal_(
            t.empty(120, 60, 3, 3), mode="fan_out", nonlinearity="tanh"
        ),
        Kaiming(mode="fan_out", nonlinearity="tanh", layout="torch_conv"),
    ),
    "orthogonal_": (lambda t: t.nn.init.orthogonal_(t.empty(300, 240), 1.5), Orthogonal(1.5)),
    "sparse_": (lambda t: t.nn.init.sparse_(t.empty(300, 240), 0.3, 0.2), Sparse(0.3, 0.2)),
    "Linear.weight": (lambda t: t.nn.Linear(240, 300).weight, TorchLinear(layout="torch_linear")),
    "Linear.bias": (lambda t: t.nn.Linear(24, 30_000).bias, TorchBias(fan_in=24)),
    "Conv2d.weight": (lambda t: t.nn.Conv2d(60, 120, 3).weight, TorchLinear(layout="torch_conv")),
    "Conv2d.bias": (lambda t: t.nn.Conv2d(6, 30_000, 3).bias, TorchBias(fan_in=54)),
    "Embedding.weight": (
        lambda t: t.nn.Embedding(300, 240, padding_idx=0).weight,
        ZeroFirst(RandomNormal(stddev=1.0)),
    ),
    "LSTM.weight_hh": (
        lambda t: t.nn.LSTM(60, 100).weight_hh_l0,
        Blocked(RandomUniform(-0.1, 0.1), 4, axis=0),
    ),
    "MultiheadAttention.in_proj": (
        lambda t: t.nn.MultiheadAttention(120, 4).in_proj_weight,
        initializers.GlorotUniform(layout="torch_linear"),
    ),
    "a factor of LoRA": (
        lambda t: t.nn.init.kaiming_uniform_(t.empty(60, 1000), a=math.sqrt(5)),
        LoraA(layout="torch_linear"),
    ),
}


@pytest.mark.parametrize("name", OF_TORCH)
def test_laws_of_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    make, ours = OF_TORCH[name]
    torch.manual_seed(3)
    drawn = make(torch).detach().numpy()
    same_law(ours(KEY, drawn.shape), drawn)


def test_what_would_be_another_law_is_told_apart() -> None:
    """The test itself: each of these differs from a law by what peers mix up."""
    normal = RandomNormal(stddev=0.2)(KEY, KERNEL)
    for other in (
        RandomNormal(stddev=0.206),
        RandomNormal(0.01, 0.2),
        TruncatedNormal(stddev=0.2),
        TruncatedNormal(stddev=0.2, corrected=True),
    ):
        with pytest.raises(AssertionError):
            same_law(other(jax.random.key(9), KERNEL), normal)
    same_law(RandomNormal(stddev=0.2)(jax.random.key(9), KERNEL), normal)
