"""What the rows of `tests/cases/` expect: laws of SciPy, and initializers of JAX.

Each function returns the fields of `Case` that a law settles.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from scipy import signal, special, stats
from scipy.linalg import hadamard

__all__ = [
    "TRUNCATED_STDDEV",
    "InverseSoftplus",
    "fans_of",
    "fixed",
    "hadamard_matrices",
    "hippo",
    "inverse_softplus",
    "jax_scaling",
    "jax_uniform",
    "logistic",
    "matrices",
    "nearly_spectral",
    "nearly_spectral_std",
    "normal",
    "of_distribution",
    "of_law",
    "of_table",
    "scaled",
    "scaled_matrices",
    "spectra",
    "spectral",
    "truncated",
    "uniform",
    "waves",
]

Shape = tuple[int, ...]

# The standard deviation that a normal cut at ±2 is left with.
TRUNCATED_STDDEV = stats.truncnorm(-2, 2).std()

# float32 inversion with 23 bits reaches so many standard deviations.
REACH = 5.42


def fans_of(shape: Shape) -> tuple[int, int]:
    """With the default axes; a bias has its size for both, as in Keras."""
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    field = math.prod(shape[:-2])
    return field * shape[-2], field * shape[-1]


def normal(mean: float, std: float) -> dict[str, Any]:
    return {
        "mean": lambda shape: mean,
        "std": lambda shape: std,
        "support": lambda shape: (mean - REACH * std, mean + REACH * std),
        "distribution": lambda shape: stats.norm(mean, std),
        "gaussian": True,
    }


def uniform(low: float, high: float) -> dict[str, Any]:
    return {
        "mean": lambda shape: (low + high) / 2,
        "std": lambda shape: (high - low) / math.sqrt(12),
        "support": lambda shape: (low, high),
        "distribution": lambda shape: stats.uniform(low, high - low),
    }


def truncated(mean: float, std: float, lower: float = -2, upper: float = 2) -> dict[str, Any]:
    law = stats.truncnorm(lower, upper, loc=mean, scale=std)
    return {
        "mean": lambda shape: law.mean(),
        "std": lambda shape: law.std(),
        "support": lambda shape: (mean + lower * std, mean + upper * std),
        "distribution": lambda shape: law,
        "gaussian": True,
    }


def scaled(
    scale: float,
    mode: str,
    distribution: str,
    fans: Callable[[Shape], tuple[int, int]] = fans_of,
) -> dict[str, Any]:
    """Variance scaling: one of three laws, of variance scale / n."""

    def std(shape: Shape) -> float:
        fan_in, fan_out = fans(shape)
        n = {
            "fan_in": fan_in,
            "fan_out": fan_out,
            "fan_avg": (fan_in + fan_out) / 2,
            "fan_geo_avg": math.sqrt(fan_in * fan_out),
        }[mode]
        return math.sqrt(scale / n)

    def law(shape: Shape) -> Any:
        sigma = std(shape)
        if distribution == "uniform":
            return stats.uniform(-math.sqrt(3) * sigma, 2 * math.sqrt(3) * sigma)
        if distribution == "untruncated_normal":
            return stats.norm(0, sigma)
        return stats.truncnorm(-2, 2, scale=sigma / TRUNCATED_STDDEV)

    def support(shape: Shape) -> tuple[float, float]:
        if distribution == "untruncated_normal":
            return -REACH * std(shape), REACH * std(shape)
        low, high = law(shape).support()
        return low, high

    return {
        "mean": lambda shape: 0.0,
        "std": std,
        "support": support,
        "distribution": law,
        "follows_fans": True,
        "gaussian": distribution != "uniform",
    }


def of_law(law: Any) -> dict[str, Any]:
    """Independent elements of a law of SciPy, which no shape changes."""
    return {
        "mean": lambda shape: law.mean(),
        "std": lambda shape: law.std(),
        "support": lambda shape: law.support(),
        "distribution": lambda shape: law,
    }


class Monotone(stats.rv_continuous):
    """The law of `distribution`."""

    def __init__(self, distribution: Callable[[Any], Any], low: float, high: float) -> None:
        super().__init__(a=low, b=high)
        self.distribution = distribution

    def _cdf(self, x: Any) -> Any:
        return self.distribution(x)

    def _updated_ctor_param(self) -> dict[str, Any]:
        return {"distribution": self.distribution, "low": self.a, "high": self.b}


def of_distribution(distribution: Callable[[Any], Any], low: float, high: float) -> dict[str, Any]:
    """Independent elements between `low` and `high`, by the probability of what is below."""
    return of_law(Monotone(distribution, low, high)())


def logistic(size: int) -> Any:
    """Logistic, between the logits of 1 / size and 1 - 1 / size."""
    edge, share = math.log(size - 1), 1 / size
    return Monotone(lambda x: (special.expit(x) - share) / (1 - 2 * share), -edge, edge)()


def inverse_softplus(step: float) -> float:
    return math.log(math.expm1(step))


class InverseSoftplus(stats.rv_continuous):
    """What softplus makes log-uniform on 0.001 to 0.1."""

    def _cdf(self, x: Any) -> Any:
        return stats.loguniform(0.001, 0.1).cdf(np.logaddexp(0, x))


def matrices(gain: float, axis: int = -1) -> dict[str, Any]:
    def std(shape: Shape) -> float:
        columns = shape[axis]
        return abs(gain) / math.sqrt(max(columns, math.prod(shape) // columns))

    return {
        "mean": lambda shape: 0.0,
        "std": std,
        "support": lambda shape: (-abs(gain), abs(gain)),
        "gaussian": True,
    }


def scaled_matrices(gain: float, sides: Callable[[Shape], tuple[int, int]] | None = None) -> Any:
    """Orthogonal times the root of outputs over fan_in."""
    sides = sides or matrix_sides

    def norm(shape: Shape) -> float:
        rows, columns = sides(shape)
        return abs(gain) * math.sqrt(columns / rows)

    return {
        "mean": lambda shape: 0.0,
        "std": lambda shape: norm(shape) / math.sqrt(max(sides(shape))),
        "support": lambda shape: (-norm(shape), norm(shape)),
        "gaussian": True,
    }


def matrix_sides(shape: Shape) -> tuple[int, int]:
    """The inputs at all taps, and the outputs."""
    return math.prod(shape[:-1]), shape[-1]


def spectral(gain: float, sides: Callable[[Shape], tuple[int, int]] = matrix_sides) -> Any:
    """Normal matrices of this spectral norm: the variance is by the constants of Ma (2012)."""

    def norm(shape: Shape) -> float:
        rows, columns = sides(shape)
        return gain * math.sqrt(columns / rows)

    def std(shape: Shape) -> float:
        n, p = sides(shape)
        root = math.sqrt(n - 0.5) + math.sqrt(p - 0.5)
        spread = root * (1 / math.sqrt(n - 0.5) + 1 / math.sqrt(p - 0.5)) ** (1 / 3)
        # The Tracy-Widom law of real matrices.
        mean, variance = root**2 - 1.2065336 * spread, 1.6077810 * spread**2
        # E[S / λ] with λ = S u and u independent of S, the sum of squares, a chi-square.
        of_u = mean / (n * p)
        square_of_u = (variance + mean**2) / (n * p * (n * p + 2))
        return norm(shape) * math.sqrt(square_of_u / of_u**3 / (n * p))

    return {
        "mean": lambda shape: 0.0,
        "std": std,
        "support": lambda shape: (-norm(shape), norm(shape)),
        "gaussian": True,
        "sum_varies": True,
    }


def nearly_spectral_std(shape: Shape) -> float:
    rows, columns = matrix_sides(shape)
    return math.sqrt(columns / rows) / (math.sqrt(rows) + math.sqrt(columns))


def nearly_spectral() -> dict[str, Any]:
    """Independent and normal, of the spectral norm that is expected."""
    return {
        "mean": lambda shape: 0.0,
        "std": nearly_spectral_std,
        "support": lambda shape: (
            -REACH * nearly_spectral_std(shape),
            REACH * nearly_spectral_std(shape),
        ),
        "distribution": lambda shape: stats.norm(0, nearly_spectral_std(shape)),
    }


def fixed(value: float) -> dict[str, Any]:
    return {
        "mean": lambda shape: value,
        "std": lambda shape: 0.0,
        "support": lambda shape: (value, value),
        "draws": False,
    }


def of_table(table: Callable[[Shape], Any]) -> dict[str, Any]:
    """Fixed numbers, which axes before them only repeat."""
    return {
        "mean": lambda shape: np.mean(table(shape)),
        "std": lambda shape: np.std(table(shape)),
        "support": lambda shape: (np.min(table(shape)), np.max(table(shape))),
        "draws": False,
        "in_keras": False,
    }


def hippo(rows: int, columns: int) -> Any:
    """The matrix of HiPPO-LegS, element by element, as in the paper."""
    matrix = np.zeros((rows, columns))
    for n in range(rows):
        for k in range(columns):
            if n >= k:
                matrix[n, k] = -math.sqrt(2 * n + 1) * math.sqrt(2 * k + 1) if n > k else -(n + 1)
    return matrix


def waves(*counts: int) -> dict[str, Any]:
    """Sines and cosines of positions, of each coordinate of a grid of these counts."""

    def table(shape: Shape) -> np.ndarray:
        sizes = counts or (shape[-2],)
        each = shape[-1] // (2 * len(sizes))
        frequencies = np.exp(-np.arange(each) * math.log(10000) / (each - 1))
        coordinates = [np.ravel(one) for one in reversed(np.indices(sizes))]
        angles = [np.outer(one, frequencies) for one in coordinates]
        return np.concatenate([part(one) for one in angles for part in (np.sin, np.cos)], axis=1)

    return {
        "mean": lambda shape: table(shape).mean(),
        "std": lambda shape: table(shape).std(),
        "support": lambda shape: (-1.0, 1.0),
        "draws": False,
    }


def hadamard_matrices() -> dict[str, Any]:
    """Of matrices that are wider than high."""

    def corner(shape: Shape) -> np.ndarray:
        size = 2 ** math.ceil(math.log2(shape[-1]))
        return hadamard(size)[: shape[-2], : shape[-1]] / math.sqrt(size)

    return {
        "mean": lambda shape: corner(shape).mean(),
        "std": lambda shape: corner(shape).std(),
        "support": lambda shape: (-corner(shape)[0, 0], corner(shape)[0, 0]),
        "draws": False,
    }


def spectra() -> dict[str, Any]:
    """The real side of a transform in a symmetric window of Hann's, of power 1."""

    def kernel(shape: Shape) -> np.ndarray:
        length, _, bands = shape
        window = signal.windows.hann(length)
        angles = np.pi * np.outer(np.arange(length), np.arange(bands)) / (bands - 1)
        return np.cos(angles) * window[:, None] / np.linalg.norm(window)

    return {
        "mean": lambda shape: kernel(shape).mean(),
        "std": lambda shape: kernel(shape).std(),
        "support": lambda shape: (-1.0, 1.0),
        "draws": False,
    }


def jax_uniform(low: float, high: float) -> Callable[..., jax.Array]:
    return lambda key, shape, dtype: jax.random.uniform(key, shape, dtype, low, high)


def jax_scaling(scale: float, mode: str, distribution: str, **axes: Any) -> Any:
    # Our names are the documented ones; JAX calls the untruncated normal "normal".
    theirs = {"untruncated_normal": "normal", "normal": "truncated_normal"}
    name = theirs.get(distribution, distribution)
    return jax.nn.initializers.variance_scaling(scale, mode, name, **axes)
