"""The table of initializers: one row each, which the tests run over.

`CASES` has one row for every initializer, with the documented defaults.
`VARIANTS` has further rows, with other options. A new initializer is one file,
one row here, and one entry in the documentation.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from cthulhu import functional, initializers

__all__ = [
    "ALL",
    "CASES",
    "KEY",
    "RANDOM",
    "RANDOM_VARIANTS",
    "VARIANTS",
    "Case",
    "bits_of",
    "by_id",
    "same_bits",
    "ulps",
]

Shape = tuple[int, ...]
OfShape = Callable[[Shape], Any]

# The standard deviation that a normal cut at ±2 is left with.
TRUNCATED_STDDEV = stats.truncnorm(-2, 2).std()


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """What there is to know of one initializer, from sources other than its code."""

    name: str
    cls: type[initializers.Initializer]
    function: Callable[..., jax.Array]
    # The class's, in order; what stands after the star is this library's own. The function's
    # options are the same without the seed.
    arguments: str
    source: str
    mean: OfShape
    std: OfShape
    support: OfShape
    # The law of each element, where the elements are independent.
    distribution: OfShape | None = None
    # JAX's own `(key, shape, dtype) -> Array`, whose jitted float32 values ours are.
    reference: Callable[..., jax.Array] | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    shape: Shape = (40, 24)
    ranks: range = range(6)
    draws: bool = True
    # Of elements that depend on each other: whether the sum of their squares is the key's.
    sum_varies: bool = False
    # Its numbers of shape (2, 3), or of (3, 2, 3) at the centre, as `tests/test_golden.py` draws
    # them: the hexadecimal digits of float32.
    golden: str = ""
    label: str = ""

    @property
    def id(self) -> str:
        return f"{self.name}-{self.label}" if self.label else self.name

    @property
    def makes_matrices(self) -> bool:
        """Whether it makes matrices, or kernels of convolutions alone."""
        return 2 in self.ranks

    @property
    def needs_options(self) -> bool:
        """Whether some option has no default, so that a name alone makes no initializer."""
        return any("=" not in one for one in self.arguments.split(", ") if one not in ("", "*"))

    @property
    def kernel(self) -> Shape:
        """A legal shape for a 3 by 3 convolution from 4 to 8 channels, or for a matrix."""
        return (3, 3, 4, 8) if 4 in self.ranks else (4, 8)

    def init(self, key: jax.Array | None, shape: Shape | None = None, *args: Any) -> jax.Array:
        """The pure function with this row's options."""
        return self.function(key, self.shape if shape is None else shape, *args, **self.options)

    def instance(self, **kwargs: Any) -> Any:
        """The class with this row's options."""
        return self.cls(**self.options, **kwargs)

    @functools.cached_property
    def jitted_reference(self) -> Callable[..., jax.Array]:
        assert self.reference is not None
        return jax.jit(self.reference, static_argnums=(1, 2))


def fans_of(shape: Shape) -> tuple[int, int]:
    """With the default axes; a bias has its size for both, as in Keras."""
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    field = math.prod(shape[:-2])
    return field * shape[-2], field * shape[-1]


def normal(mean: float, std: float) -> dict[str, Any]:
    # float32 inversion with 23 bits reaches 5.42 standard deviations.
    return {
        "mean": lambda shape: mean,
        "std": lambda shape: std,
        "support": lambda shape: (mean - 5.42 * std, mean + 5.42 * std),
        "distribution": lambda shape: stats.norm(mean, std),
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
            return -5.42 * std(shape), 5.42 * std(shape)
        low, high = law(shape).support()
        return low, high

    return {"mean": lambda shape: 0.0, "std": std, "support": support, "distribution": law}


def matrices(gain: float, axis: int = -1) -> dict[str, Any]:
    def std(shape: Shape) -> float:
        columns = shape[axis]
        return abs(gain) / math.sqrt(max(columns, math.prod(shape) // columns))

    return {
        "mean": lambda shape: 0.0,
        "std": std,
        "support": lambda shape: (-abs(gain), abs(gain)),
    }


def fixed(value: float) -> dict[str, Any]:
    return {
        "mean": lambda shape: value,
        "std": lambda shape: 0.0,
        "support": lambda shape: (value, value),
        "draws": False,
    }


def jax_uniform(low: float, high: float) -> Callable[..., jax.Array]:
    return lambda key, shape, dtype: jax.random.uniform(key, shape, dtype, low, high)


def jax_scaling(scale: float, mode: str, distribution: str, **axes: Any) -> Any:
    # Our names are the documented ones; JAX calls the untruncated normal "normal".
    theirs = {"untruncated_normal": "normal", "normal": "truncated_normal"}
    name = theirs.get(distribution, distribution)
    return jax.nn.initializers.variance_scaling(scale, mode, name, **axes)


KERAS = "https://keras.io/api/layers/initializers/"
LECUN = "https://doi.org/10.1007/3-540-49430-8_2"
GLOROT = "https://proceedings.mlr.press/v9/glorot10a.html"
HE = "https://arxiv.org/abs/1502.01852"
SAXE = "https://arxiv.org/abs/1312.6120"
XIAO = "https://arxiv.org/abs/1806.05393"
LE = "https://arxiv.org/abs/1504.00941"
MARTENS = "https://www.cs.toronto.edu/~jmartens/docs/Deep_HessianFree.pdf"

AXES = "in_axis=-2, out_axis=-1, batch_axis=()"

CASES: tuple[Case, ...] = (
    Case(
        "zeros",
        initializers.Zeros,
        functional.zeros,
        "",
        KERAS,
        **fixed(0.0),
        reference=jax.nn.initializers.zeros,
    ),
    Case(
        "ones",
        initializers.Ones,
        functional.ones,
        "",
        KERAS,
        **fixed(1.0),
        reference=jax.nn.initializers.ones,
    ),
    Case(
        "constant",
        initializers.Constant,
        functional.constant,
        "value=0.0",
        KERAS,
        **fixed(0.3),
        options={"value": 0.3},
        reference=jax.nn.initializers.constant(0.3),
    ),
    Case(
        "identity",
        initializers.Identity,
        functional.identity,
        "gain=1.0",
        LE,
        mean=lambda shape: 1 / max(shape),
        std=lambda shape: math.sqrt(1 / max(shape) - 1 / max(shape) ** 2),
        support=lambda shape: (0.0, 1.0),
        reference=lambda key, shape, dtype: jnp.eye(*shape, dtype=dtype),
        ranks=range(2, 3),
        draws=False,
    ),
    Case(
        "random_normal",
        initializers.RandomNormal,
        functional.random_normal,
        "mean=0.0, stddev=0.05, seed=None",
        KERAS,
        **normal(0.0, 0.05),
        reference=jax.nn.initializers.normal(0.05),
        golden="3d12c839 395cd2a6 3dcbde9d bde9697d 3898b966 bcadbf94",
    ),
    Case(
        "random_uniform",
        initializers.RandomUniform,
        functional.random_uniform,
        "minval=-0.05, maxval=0.05, seed=None",
        KERAS,
        **uniform(-0.05, 0.05),
        reference=jax_uniform(-0.05, 0.05),
        golden="3cd7a1ed 39303000 3d43475d bd4829b0 3873b333 bc869560",
    ),
    Case(
        "truncated_normal",
        initializers.TruncatedNormal,
        functional.truncated_normal,
        "mean=0.0, stddev=0.05, seed=None, *, lower=-2.0, upper=2.0",
        KERAS,
        **truncated(0.0, 0.05),
        reference=jax.nn.initializers.truncated_normal(0.05),
        golden="3d0af0a2 3952c585 3dadad13 bdbb7c79 3891c489 bca56308",
    ),
    Case(
        "variance_scaling",
        initializers.VarianceScaling,
        functional.variance_scaling,
        "scale=1.0, mode='fan_in', distribution='truncated_normal', seed=None, *, " + AXES,
        HE,
        **scaled(1.0, "fan_in", "truncated_normal"),
        reference=jax_scaling(1.0, "fan_in", "truncated_normal"),
        golden="3f0b9ccd 3b53cab2 3fae8448 bfbc64cc 3a92792a bea62ff8",
    ),
    Case(
        "lecun_normal",
        initializers.LecunNormal,
        functional.lecun_normal,
        "seed=None, *, " + AXES,
        LECUN,
        **scaled(1.0, "fan_in", "truncated_normal"),
        reference=jax.nn.initializers.lecun_normal(),
        golden="3f0b9ccd 3b53cab2 3fae8448 bfbc64cc 3a92792a bea62ff8",
    ),
    Case(
        "lecun_uniform",
        initializers.LecunUniform,
        functional.lecun_uniform,
        "seed=None, *, " + AXES,
        LECUN,
        **scaled(1.0, "fan_in", "uniform"),
        reference=jax.nn.initializers.lecun_uniform(),
        golden="3f250f2c 3b86dd8f 3f957aab bf9937bf 3aba8b41 bece09bf",
    ),
    Case(
        "glorot_normal",
        initializers.GlorotNormal,
        functional.glorot_normal,
        "seed=None, *, " + AXES,
        GLOROT,
        **scaled(1.0, "fan_avg", "truncated_normal"),
        reference=jax.nn.initializers.glorot_normal(),
        golden="3ef9bf16 3b3d6ead 3f9c17af bfa88125 3a83027b be94a47c",
    ),
    Case(
        "glorot_uniform",
        initializers.GlorotUniform,
        functional.glorot_uniform,
        "seed=None, *, " + AXES,
        GLOROT,
        **scaled(1.0, "fan_avg", "uniform"),
        reference=jax.nn.initializers.glorot_uniform(),
        golden="3f13a22d 3b714133 3f85b2bf bf890ac9 3aa6d999 beb8493a",
    ),
    Case(
        "he_normal",
        initializers.HeNormal,
        functional.he_normal,
        "seed=None, *, " + AXES,
        HE,
        **scaled(2.0, "fan_in", "truncated_normal"),
        reference=jax.nn.initializers.he_normal(),
        golden="3f457120 3b95c269 3ff6cdcf c00536e9 3acf2500 beeb0644",
    ),
    Case(
        "he_uniform",
        initializers.HeUniform,
        functional.he_uniform,
        "seed=None, *, " + AXES,
        HE,
        **scaled(2.0, "fan_in", "uniform"),
        reference=jax.nn.initializers.he_uniform(),
        golden="3f696dd6 3bbeba83 3fd3653d bfd8aec1 3b03e810 bf11b0df",
    ),
    Case(
        "orthogonal",
        initializers.Orthogonal,
        functional.orthogonal,
        "gain=1.0, seed=None, *, axis=-1, batch_axis=()",
        SAXE,
        **matrices(1.0),
        reference=jax.nn.initializers.orthogonal(),
        ranks=range(2, 6),
        golden="3ead6b90 3f70de2e 3a3470cf 3f538d0d be982224 bef4eaad",
    ),
    Case(
        "delta_orthogonal",
        initializers.DeltaOrthogonal,
        functional.delta_orthogonal,
        "gain=1.0, seed=None, *, axis=-1",
        XIAO,
        mean=lambda shape: 0.0,
        std=lambda shape: 1 / math.sqrt(math.prod(shape[:-2]) * shape[-1]),
        support=lambda shape: (-1.0, 1.0),
        reference=jax.nn.initializers.delta_orthogonal(),
        shape=(3, 3, 8, 16),
        ranks=range(3, 6),
        golden="3ead6b90 3f70de2e 3a3470cf 3f538d0d be982224 bef4eaad",
    ),
    Case(
        "dirac",
        initializers.Dirac,
        functional.dirac,
        "groups=1",
        "https://arxiv.org/abs/1706.00388",
        mean=lambda shape: min(shape[-2:]) / math.prod(shape),
        std=lambda shape: math.sqrt(
            min(shape[-2:]) / math.prod(shape) * (1 - min(shape[-2:]) / math.prod(shape))
        ),
        support=lambda shape: (0.0, 1.0),
        shape=(3, 3, 8, 16),
        ranks=range(3, 6),
        draws=False,
    ),
    Case(
        "sparse",
        initializers.Sparse,
        functional.sparse,
        "sparsity, stddev=0.01, seed=None",
        MARTENS,
        mean=lambda shape: 0.0,
        std=lambda shape: 0.01 * math.sqrt(1 - math.ceil(0.3 * shape[0]) / shape[0]),
        support=lambda shape: (-0.0542, 0.0542),
        options={"sparsity": 0.3},
        ranks=range(2, 3),
        sum_varies=True,
        golden="00000000 3939dee7 00000000 bbdb1fc5 00000000 bc107787",
    ),
)


def variant(name: str, label: str, options: Mapping[str, Any], **changes: Any) -> Case:
    """The row of `name` with other options, and what they change."""
    (row,) = (case for case in CASES if case.name == name)
    changes = {"distribution": None, "reference": None, "golden": "", **changes}
    return dataclasses.replace(row, label=label, options=options, **changes)


def scaling_variant(
    scale: float,
    mode: str,
    distribution: str,
    fans: Callable[[Shape], tuple[int, int]] = fans_of,
    label: str = "",
    shape: Shape = (40, 24),
    **axes: Any,
) -> Case:
    return variant(
        "variance_scaling",
        label or f"{mode}-{distribution}",
        {"scale": scale, "mode": mode, "distribution": distribution, **axes},
        **scaled(scale, mode, distribution, fans),
        reference=jax_scaling(scale, mode, distribution, **axes),
        shape=shape,
        ranks=range(len(shape), 6),
    )


def truncated_variant(lower: float, upper: float, mean: float = 0.0) -> Case:
    options = {"stddev": 0.7, "lower": lower, "upper": upper, **({"mean": mean} if mean else {})}
    return variant(
        "truncated_normal",
        f"{lower}to{upper}" + (f"-mean{mean}" if mean else ""),
        options,
        **truncated(mean, 0.7, lower, upper),
        # JAX's has no mean.
        reference=None if mean else jax.nn.initializers.truncated_normal(0.7, None, lower, upper),
    )


VARIANTS: tuple[Case, ...] = (
    variant("constant", "negative", {"value": -3}, **fixed(-3.0)),
    variant(
        "identity",
        "gain",
        {"gain": -2.5},
        mean=lambda shape: -2.5 / max(shape),
        std=lambda shape: 2.5 * math.sqrt(1 / max(shape) - 1 / max(shape) ** 2),
        support=lambda shape: (-2.5, 0.0),
    ),
    variant(
        "random_normal",
        "stddev",
        {"stddev": 0.02},
        **normal(0.0, 0.02),
        reference=jax.nn.initializers.normal(0.02),
    ),
    variant("random_normal", "mean", {"mean": 3.0, "stddev": 0.5}, **normal(3.0, 0.5)),
    variant(
        "random_uniform",
        "from-zero",
        {"minval": 0.0, "maxval": 0.7},
        **uniform(0.0, 0.7),
        reference=jax.nn.initializers.uniform(0.7),
    ),
    variant(
        "random_uniform",
        "shifted",
        {"minval": 2.0, "maxval": 2.3},
        **uniform(2.0, 2.3),
        reference=jax_uniform(2.0, 2.3),
    ),
    truncated_variant(-1.0, 3.0),
    truncated_variant(0.5, 1.5),
    truncated_variant(-3.0, -1.0),
    truncated_variant(-2.0, 2.0, mean=-1.5),
    *(
        scaling_variant(1.7, mode, distribution)
        for mode in ("fan_in", "fan_out", "fan_avg", "fan_geo_avg")
        for distribution in ("normal", "untruncated_normal", "uniform")
    ),
    scaling_variant(0.3, "fan_out", "truncated_normal", label="synonym"),
    scaling_variant(
        1.0,
        "fan_in",
        "untruncated_normal",
        lambda shape: (shape[1], shape[1]),
        label="embedding",
        out_axis=0,
    ),
    scaling_variant(
        1.0,
        "fan_avg",
        "uniform",
        lambda shape: (shape[1], shape[0]),
        label="transposed",
        in_axis=1,
        out_axis=0,
    ),
    scaling_variant(
        2.0,
        "fan_out",
        "truncated_normal",
        lambda shape: (shape[1], shape[2]),
        label="stack",
        shape=(5, 30, 12),
        batch_axis=0,
    ),
    scaling_variant(
        1.0,
        "fan_in",
        "uniform",
        lambda shape: (shape[0] * shape[1], shape[2] * shape[3]),
        label="attention",
        shape=(7, 6, 4, 10),
        in_axis=(0, 1),
        out_axis=(-2, -1),
    ),
    variant(
        "he_normal",
        "channels-first",
        {"in_axis": 1, "out_axis": 0},
        **scaled(2.0, "fan_in", "truncated_normal", lambda shape: (9 * shape[1], 9 * shape[0])),
        reference=jax.nn.initializers.he_normal(1, 0),
        shape=(24, 7, 3, 3),
        ranks=range(4, 5),
    ),
    variant(
        "orthogonal",
        "first-axis",
        {"axis": 0, "gain": 1.5},
        **matrices(1.5, 0),
        reference=jax.nn.initializers.orthogonal(1.5, 0),
    ),
    variant(
        "orthogonal",
        "stack",
        {"batch_axis": (0,)},
        std=lambda shape: 1 / math.sqrt(max(shape[1:])),
        shape=(5, 24, 16),
        ranks=range(3, 4),
    ),
    variant(
        "delta_orthogonal",
        "first-axis",
        {"axis": 0, "gain": -0.5},
        std=lambda shape: 0.5 / math.sqrt(math.prod(shape[:-2]) * shape[-1]),
        support=lambda shape: (-0.5, 0.5),
        reference=jax.nn.initializers.delta_orthogonal(-0.5, -2),
    ),
)

ALL = CASES + VARIANTS
RANDOM = tuple(case for case in CASES if case.draws)
RANDOM_VARIANTS = tuple(case for case in ALL if case.draws)

KEY = jax.random.key(20240229)


def by_id(case: Any) -> str | None:
    """The name of a row among pytest's parameters."""
    return case.id if isinstance(case, Case) else None


def bits_of(values: Any) -> np.ndarray:
    """The values as unsigned integers, so that -0.0, NaN and every last bit count."""
    array = np.ascontiguousarray(values)
    if np.iscomplexobj(array):
        array = array.view(array.real.dtype)
    return array.view(f"u{array.dtype.itemsize}")


def same_bits(first: Any, second: Any) -> None:
    """Assert equality of type, shape and every bit."""
    first, second = np.asarray(first), np.asarray(second)
    assert (first.dtype, first.shape) == (second.dtype, second.shape)
    np.testing.assert_array_equal(bits_of(first), bits_of(second))


def ulps(first: Any, second: Any) -> int:
    """The largest distance, counted in float32 numbers of the same sign."""
    a, b = bits_of(first).astype(np.int64), bits_of(second).astype(np.int64)
    return int(np.abs(a - b).max(initial=0))
