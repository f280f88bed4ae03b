"""Gains: the factor that makes up for what an activation does to the scale of its input."""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from cthulhu import checks
from cthulhu._types import HostArray
from cthulhu.caches import bounded

__all__ = ["Activation", "Nonlinearity", "calculate_gain", "gain"]

Activation: TypeAlias = str | Callable[..., Any]
"""The name of an activation, or the function itself."""

Nonlinearity: TypeAlias = Activation | float
"""An activation, or the gain that belongs to it."""

REACH = 16.0  # Standard deviations: beyond them, the normal density is below 1e-55.
TOLERANCE = 1e-11  # Of the second moment.
SUBDIVISIONS = 2000

LINEAR = ("linear", "conv1d", "conv2d", "conv3d")

# torch's table, but for leaky_relu, whose gain depends on its slope.
TABLE: Mapping[str, float] = {
    **dict.fromkeys(LINEAR, 1.0),
    **dict.fromkeys((f"conv_transpose{rank}d" for rank in (1, 2, 3)), 1.0),
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "leaky_relu": math.nan,
    "selu": 3 / 4,
}

ACTIVATIONS: Mapping[str, Callable[..., Any]] = {
    "celu": jax.nn.celu,
    "elu": jax.nn.elu,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "gelu_tanh": lambda x: jax.nn.gelu(x, approximate=True),
    "hard_sigmoid": jax.nn.hard_sigmoid,
    "hard_silu": jax.nn.hard_silu,
    "hard_tanh": jax.nn.hard_tanh,
    "leaky_relu": jax.nn.leaky_relu,
    "linear": lambda x: x,
    "log_sigmoid": jax.nn.log_sigmoid,
    "mish": jax.nn.mish,
    "relu": jax.nn.relu,
    "relu6": jax.nn.relu6,
    "selu": jax.nn.selu,
    "sigmoid": jax.nn.sigmoid,
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
    "softsign": jax.nn.soft_sign,
    "squared_relu": lambda x: jnp.square(jax.nn.relu(x)),
    "swish": jax.nn.silu,
    "tanh": jnp.tanh,
    # Of two independent halves, one of which is the gate.
    "geglu": lambda x, gate: x * jax.nn.gelu(gate, approximate=False),
    "geglu_tanh": lambda x, gate: x * jax.nn.gelu(gate, approximate=True),
    "glu": lambda x, gate: x * jax.nn.sigmoid(gate),
    "reglu": lambda x, gate: x * jax.nn.relu(gate),
    "swiglu": lambda x, gate: x * jax.nn.silu(gate),
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The recommended gain of a nonlinearity, as `torch.nn.init.calculate_gain` has it.

    These are the values of that table, whose ``tanh`` and ``selu`` are rules of
    thumb: `gain` has exact ones, for every activation.

    - ``linear``, ``conv1d``, ``conv2d``, ``conv3d``, and the same transposed: 1
    - ``sigmoid``: 1
    - ``tanh``: 5 / 3
    - ``relu``: sqrt(2)
    - ``leaky_relu``: sqrt(2 / (1 + param**2))
    - ``selu``: 3 / 4

    Args:
        nonlinearity: one of these names.
        param: the negative slope of ``leaky_relu``, default 0.01; of no meaning
            to the others.

    Returns:
        A number.

    Raises:
        TypeError: `param` is no number.
        ValueError: the table has no such nonlinearity.

    Example:
        >>> calculate_gain("leaky_relu", 0.2)
        1.3867504905630728

    References:
        He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers",
        https://arxiv.org/abs/1502.01852
    """
    slope = 0.01 if param is None else checks.finite("calculate_gain", "param", param)
    table = {**TABLE, "leaky_relu": math.sqrt(2 / (1 + slope**2))}
    if nonlinearity not in table:
        if nonlinearity in ACTIVATIONS:
            raise ValueError(
                f"calculate_gain: torch's table has no {nonlinearity!r}; its exact gain is "
                f"gain({nonlinearity!r})"
            )
        checks.choice("calculate_gain", "nonlinearity", nonlinearity, table)
    return table[nonlinearity]


def gain(activation: Activation, *, inputs: int | None = None) -> float:
    """The factor that keeps the second moment: ``1 / sqrt(E[f(z)**2])``, z standard normal.

    Weights of variance ``gain(f)**2 / fan_in`` keep the mean square of the signal
    from one layer with the activation f to the next. For the rectifier it is
    sqrt(2), He's. The expectation is an adaptive Gauss-Kronrod quadrature in double
    precision, also across kinks and steps; its error is below 1e-9.

    Args:
        activation: a name, as ``"gelu"``, or any elementwise function of JAX or
            NumPy. ``gelu`` is the exact one, ``gelu_tanh`` its approximation. Of the
            gated ones (``glu``, ``reglu``, ``geglu``, ``swiglu``) the two halves are
            independent, each of unit variance.
        inputs: how many independent inputs the function takes, 1 or 2; by default as
            many as it must be given.

    Returns:
        A number: square it for the `scale` of `VarianceScaling`.

    Raises:
        TypeError: `activation` is no name and no function, or fails.
        ValueError: no such name is known; or the function is 0 or not finite
            everywhere, changes the shape, or varies so wildly that its second moment
            cannot be told.

    Example:
        >>> from cthulhu.initializers import VarianceScaling
        >>> round(gain("gelu"), 6), round(gain("relu") ** 2, 6)
        (1.53353, 2.0)
        >>> VarianceScaling(scale=gain("relu") ** 2)((2, 3)).shape
        (2, 3)

    References:
        He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers",
        https://arxiv.org/abs/1502.01852. Klambauer, Unterthiner, Mayr and Hochreiter
        (2017), "Self-normalizing neural networks", https://arxiv.org/abs/1706.02515
    """
    function, called = activation, repr(activation)
    if isinstance(activation, str):
        function = ACTIVATIONS[checks.choice("gain", "activation", activation, ACTIVATIONS)]
    if not callable(function):
        raise TypeError(
            f"gain: activation must be a name or a function; got {called} of type "
            f"{type(activation).__name__}"
        )
    if inputs not in (None, 1, 2):
        raise ValueError(f"gain: inputs must be 1 or 2; got {inputs!r}")
    return _known(function, inputs or required(function), called)


def required(function: Callable[..., Any]) -> int:
    """How many arguments a function must be given; of what Python cannot tell, one."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    given = [one for one in parameters if one.kind in positional and one.default is one.empty]
    return 2 if len(given) == 2 else 1


def second_moment(function: Callable[..., Any], inputs: int, called: str) -> float:
    """The mean of the squares of a function's values, for independent standard normals."""
    from scipy.integrate import cubature  # JAX needs SciPy too, and loads it later as well.

    def integrand(points: HostArray) -> HostArray:
        columns = [jnp.asarray(points[:, at]) for at in range(inputs)]
        try:
            values = np.asarray(function(*columns))
        except Exception as error:
            error.add_note(f"This is from the activation {called} that gain(…) was given.")
            raise
        if values.shape != points.shape[:1]:
            raise ValueError(
                f"gain: activation must be elementwise; {called} made an array of shape "
                f"{values.shape} of one of shape {points.shape[:1]}"
            )
        density = np.exp(-np.sum(points**2, axis=1) / 2) / (2 * np.pi) ** (inputs / 2)
        weighted: HostArray = np.abs(values).astype(np.float64) ** 2 * density
        return weighted

    with jax.enable_x64(True), np.errstate(all="ignore"):
        found = cubature(
            integrand,
            [-REACH] * inputs,
            [REACH] * inputs,
            rule="gk21",
            rtol=TOLERANCE,
            max_subdivisions=SUBDIVISIONS,
            points=[[0.0] * inputs],
        )
    value = float(found.estimate)
    if not math.isfinite(value) or value <= 0:
        raise ValueError(
            f"gain: the mean square of activation {called} over normal inputs must be a number "
            f"above 0; it is {value}"
        )
    if found.status != "converged" and not found.error <= 1e-9 * value:
        raise ValueError(
            f"gain: the mean square of activation {called} is {value:.6g}, known to "
            f"{float(found.error):.1g} only: the function varies too wildly"
        )
    return value


@bounded(256)
def _known(function: Callable[..., Any], inputs: int, called: str) -> float:
    return 1 / math.sqrt(second_moment(function, inputs, called))
