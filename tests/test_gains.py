"""Gains: torch's table, and second moments against integrals in 50 digits and closed forms."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special

from cthulhu import initializers
from cthulhu.gains import ACTIVATIONS, TABLE, calculate_gain, gain

TORCH = {
    **dict.fromkeys(["linear", "conv1d", "conv2d", "conv3d", "sigmoid"], 1.0),
    **dict.fromkeys([f"conv_transpose{rank}d" for rank in (1, 2, 3)], 1.0),
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "leaky_relu": math.sqrt(2 / (1 + 0.01**2)),
    "selu": 3 / 4,
}


def test_the_table_is_that_of_torch() -> None:
    assert {name: calculate_gain(name) for name in TABLE} == TORCH
    assert calculate_gain("leaky_relu", 0.2) == math.sqrt(2 / 1.04)
    assert calculate_gain("leaky_relu", math.sqrt(5)) == pytest.approx(math.sqrt(1 / 3))


def test_torch_has_the_same_table() -> None:
    torch = pytest.importorskip("torch")
    for name in TABLE:
        assert calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name), rel=1e-15)


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def phi(x: float) -> float:
    return float(special.ndtr(x))


# Written anew in double precision, with the points where they have kinks.
PLAIN = {
    "relu": (lambda x: max(x, 0.0), [0.0]),
    "leaky_relu": (lambda x: x if x > 0 else 0.01 * x, [0.0]),
    "gelu": (lambda x: x * phi(x), []),
    "gelu_tanh": (
        lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        [],
    ),
    "silu": (lambda x: x * float(special.expit(x)), []),
    "mish": (lambda x: x * math.tanh(softplus(x)), []),
    "tanh": (math.tanh, []),
    "sigmoid": (lambda x: float(special.expit(x)), []),
    "softplus": (softplus, []),
    "elu": (lambda x: x if x > 0 else math.expm1(x), [0.0]),
    "selu": (
        lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * math.expm1(x)),
        [0.0],
    ),
    "squared_relu": (lambda x: max(x, 0.0) ** 2, [0.0]),
    "hard_tanh": (lambda x: min(max(x, -1.0), 1.0), [-1.0, 1.0]),
    "relu6": (lambda x: min(max(x, 0.0), 6.0), [0.0, 6.0]),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_gain_is_the_integral(name: str) -> None:
    plain, kinks = PLAIN[name]
    moment, error = integrate.quad(
        lambda z: plain(z) ** 2 * math.exp(-z * z / 2) / math.sqrt(2 * math.pi),
        -14,
        14,
        points=kinks or None,
        epsabs=1e-14,
        epsrel=1e-13,
        limit=500,
    )
    assert error < 1e-11
    assert gain(name) == pytest.approx(moment**-0.5, rel=1e-9)


# Known in closed form.
CLOSED = {
    "linear": 1.0,
    "relu": math.sqrt(2),
    "squared_relu": math.sqrt(2 / 3),
    "selu": 1.0,
}


@pytest.mark.parametrize("name", CLOSED)
def test_a_gain_in_closed_form(name: str) -> None:
    assert gain(name) == pytest.approx(CLOSED[name], rel=1e-10)


GATED = {
    "glu": "sigmoid",
    "reglu": "relu",
    "geglu": "gelu",
    "geglu_tanh": "gelu_tanh",
    "swiglu": "silu",
}


@pytest.mark.parametrize("name", GATED)
def test_of_a_gated_pair_the_other_half_is_of_unit_variance(name: str) -> None:
    assert gain(name) == pytest.approx(gain(GATED[name]), rel=1e-9)


OWN = {
    "a kink elsewhere": (lambda x: jnp.maximum(x - 0.3, 0), 1.0, None),
    "a step": (lambda x: jnp.where(x > 0.123, 1.0, 0.0), 1.0, None),
    "of NumPy": (np.tanh, 1.0, gain("tanh")),
    "jitted": (jax.jit(jnp.tanh), 1.0, gain("tanh")),
    "with an option": (lambda x, slope=0.2: jnp.where(x > 0, x, slope * x), 1.0, None),
}


@pytest.mark.parametrize("name", OWN)
def test_any_function_has_a_gain(name: str) -> None:
    function, _, known = OWN[name]
    found = gain(function)
    z = np.random.default_rng(0).standard_normal(2_000_000)
    squares = np.asarray(function(z), np.float64) ** 2
    error = squares.std() / math.sqrt(squares.size)
    assert abs(found**-2 - squares.mean()) < 6 * error
    assert known is None or found == known


def test_steps_and_kinks_are_found_to_the_last_digits() -> None:
    assert gain(lambda x: jnp.where(x > 0.123, 1.0, 0.0)) == pytest.approx(
        special.ndtr(-0.123) ** -0.5, rel=1e-9
    )
    exact = (1 + 0.3**2) * special.ndtr(-0.3) - 0.3 * math.exp(-0.045) / math.sqrt(2 * math.pi)
    assert gain(lambda x: jnp.maximum(x - 0.3, 0)) == pytest.approx(exact**-0.5, rel=1e-9)


def test_every_activation_of_torchs_table_has_an_exact_gain() -> None:
    assert {name for name in TABLE if "conv" not in name} <= set(ACTIVATIONS)


REFUSED = [
    (lambda: gain("gelo"), ValueError, r"gain: activation must be one of .*'gelo' \(did you mean"),
    (
        lambda: gain(3),
        TypeError,
        r"gain: activation must be a name or a function; got 3 of type int",
    ),
    (lambda: gain(lambda x: 0 * x), ValueError, r"must be a number above 0; it is 0\.0"),
    (lambda: gain(lambda x: x / 0.0), ValueError, r"must be a number above 0; it is (nan|inf)"),
    (
        lambda: gain(lambda x: x.sum()),
        ValueError,
        r"activation must be elementwise; .* made an arr",
    ),
    (lambda: gain("relu", inputs=3), ValueError, r"gain: inputs must be 1 or 2; got 3"),
    (lambda: calculate_gain("gelu"), ValueError, r"torch's table has no 'gelu'; .* gain\('gelu'\)"),
    (lambda: calculate_gain("rely"), ValueError, r"must be one of .*'rely' \(did you mean 'relu'"),
    (lambda: calculate_gain("leaky_relu", "a"), TypeError, r"param must be a number"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_what_has_no_gain_is_refused(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()


def test_an_error_of_the_activation_is_its_own() -> None:
    def wrong(x: jax.Array) -> jax.Array:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as caught:
        gain(wrong)
    assert "gain(…)" in caught.value.__notes__[0]


@pytest.mark.parametrize("name", ["relu", "gelu", "tanh", "silu"])
def test_weights_with_the_gain_keep_the_mean_square(name: str) -> None:
    """Through ten layers: the law that a gain is for."""
    init = initializers.VarianceScaling(gain(name) ** 2, distribution="untruncated_normal")
    x = jax.random.normal(jax.random.key(1), (256, 1024))
    for layer in range(10):
        x = jnp.sqrt(jnp.mean(x**2, axis=1, keepdims=True)) ** -1 * x  # Unit mean square.
        x = ACTIVATIONS[name](x) @ init(jax.random.key(layer), (1024, 1024))
    assert float(jnp.mean(x**2)) == pytest.approx(1.0, rel=0.05)
