"""Low-rank adapters: a kernel W (inputs, outputs) that becomes W + A B."""

import dataclasses
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import NamedSharding
from jax.typing import ArrayLike

from cthulhu import checks
from cthulhu._types import DType, Number, Option
from cthulhu.initializers import _options as options
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._registry import defined
from cthulhu.initializers._variance_scaling import OfFans, fan, variance_scaled
from cthulhu.laws import ComplexNormal, Law, Moments, Normal, Orthogonal
from cthulhu.laws._base import is_complex, real_parts
from cthulhu.programs import _draws as draws
from cthulhu.programs._build import Draw, bind, compute_dtype
from cthulhu.random import fused
from cthulhu.typing import DTypeLike

DISTRIBUTIONS = ("uniform", "untruncated_normal")


def known_distribution(owner: str, argument: str, value: Any) -> str:
    """One of the two that are in use."""
    return checks.choice(owner, argument, value, DISTRIBUTIONS)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class LoraA(OfFans):
    """Initializer of the first factor of a low-rank adapter, A (inputs, rank).

    The second factor, B (rank, outputs), is `Zeros`, so that an adapter changes nothing
    at first.

    Law: uniform within [-limit, limit], with ``limit = 1 / sqrt(inputs)``, as loralib and
    PEFT have it: that of `TorchLinear`. Flax's ``nnx.LoRA`` has `HeUniform`, which is
    ``sqrt(6)`` wider. With ``"untruncated_normal"``, normal with standard deviation
    ``1 / rank``, PEFT's ``"gaussian"``; the paper has a normal too, and says of no
    standard deviation. inputs is fan_in and rank is fan_out: a torch weight (rank,
    inputs) has ``layout="torch_linear"``. Adapters of an embedding are the other way
    round there: A is `Zeros`, and B is ``RandomNormal(stddev=1.0)``.

    Args:
        distribution: ``"uniform"`` (default) or ``"untruncated_normal"``.
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the rank; default -1.
        batch_axis: axes that stack independent tensors and count in no fan;
            default none; ``"rest"`` is all that are neither inputs nor outputs.
        layout: in place of axes, the layout of a common layer, as ``"moe"`` (see
            `cthulhu.fans.LAYOUTS`), or a `cthulhu.fans.Layout`; default none.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range.

    Example:
        >>> a = LoraA(seed=0)((400, 8))
        >>> bool((abs(a) <= 0.05).all())
        True

    References:
        Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang and Chen (2021), "LoRA: low-rank
        adaptation of large language models", https://arxiv.org/abs/2106.09685
    """

    distribution: str = options.option("uniform", known_distribution)
    seed: int | None = options.seed()

    known_as = ("lora",)
    example = """
        >>> import jax
        >>> a = lora_a(jax.random.key(0), (4000, 10), distribution="untruncated_normal")
        >>> round(float(a.std()), 2)  # 1 / 10
        0.1
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        distribution: str,
        *axes: Any,
    ) -> Draw:
        """Variance scaling, by the inputs or by the square of the rank."""
        if distribution == "uniform":
            scale, mode = 1 / 3, "fan_in"
        else:
            scale, mode = 1 / fan(cls.name, shape, "fan_out", *axes), "fan_out"
        return variance_scaled(cls.name, shape, dtype, sharding, scale, mode, distribution, *axes)


@dataclasses.dataclass(frozen=True)
class Complementary(Law):
    """Normal combinations of every second row of a random orthogonal matrix, times `gain`.

    Args:
        second: whether of the odd rows, which are orthogonal to the even ones.
        axis: the axis of the rank, 0 or 1.

    Example:
        >>> round(Complementary(second=False, axis=1).moments((64, 8), 1.0).stddev, 4)
        0.7071
    """

    second: bool
    axis: int

    scalars = ("gain",)
    linear = ("gain",)
    identical = True

    def values(
        self, key: jax.Array, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The values that belong to a key."""
        (gain,) = scalars
        if 0 in shape:
            return jnp.zeros(shape, dtype)
        rank, width = shape[self.axis], shape[1 - self.axis]
        shared, *own = jax.random.split(fused(key), 3)
        one, none = dtype.type(1), dtype.type(0)
        matrix = Orthogonal(axis=1, batch=()).values(shared, (rank, rank), dtype, one)
        half = jnp.conj(matrix[1::2]) if self.second else matrix[::2]
        normal = ComplexNormal() if is_complex(dtype) else Normal()
        spread = one if is_complex(dtype) else dtype.type(math.sqrt(2))
        weights = normal.values(own[self.second], (width, rank // 2), dtype, spread, none)
        values = gain * jnp.matmul(weights, half, precision=lax.Precision.HIGHEST)
        return values if self.axis else values.T

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """Zero, and what half of the rows leaves."""
        if 0 in shape:
            return Moments(0.0, 0.0)
        (gain,) = real_parts(scalars)
        return Moments(0.0, abs(gain) / math.sqrt(2))


def known_part(owner: str, argument: str, value: Any) -> str:
    """One of the two factors."""
    return checks.choice(owner, argument, value, ("A", "B"))


def axis_or_none(owner: str, argument: str, value: Any) -> Any:
    """One axis, or none."""
    return value if value is None else options.single_axis(owner, argument, value)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class OrthogonalPair(BuiltIn):
    """Initializer of the two factors of an adapter, whose product is 0 while neither is.

    A (inputs, rank) and B (rank, outputs) of one key belong together: ``A @ B`` is 0 but
    for rounding, so that the adapter changes nothing at first, and both factors learn
    from the first step on. One key is one `seed`, or one key of two calls. A framework
    that gives every parameter a key of its own, as Flax does, needs instances with a
    seed, called without a key: ``lambda _, *shape_and_dtype: init(*shape_and_dtype)``. In
    `cthulhu.params.Rules`, B is `cthulhu.params.OrthogonalTo` A.

    Law: with Q a random orthogonal matrix (rank, rank) of the key, A is `gain` times
    G Q[0::2], and B is `gain` times the transpose of H Q[1::2], where G (inputs,
    rank / 2) and H (outputs, rank / 2) are standard normal. So each has half the rank;
    an element has mean 0 and standard deviation ``gain / sqrt(2)``. PEFT's
    ``init_lora_weights="orthogonal"`` has this law.

    Args:
        part: ``"A"`` or ``"B"``.
        gain: the factor; a number or a scalar array; default 0.1, as in PEFT.
        seed: an integer from 0 to 2**32 - 1, or `None`.
        axis: the axis of the rank; default the last one of A, and the first one of B.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range, or the shape of a call is not 2-D, or
            its rank is odd.

    Example:
        >>> a, b = OrthogonalPair("A", seed=3)((64, 8)), OrthogonalPair("B", seed=3)((8, 32))
        >>> bool((abs(a @ b) < 1e-6).all()), bool(abs(b).max() > 0.1)
        (True, True)

    References:
        Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang and Chen (2021), "LoRA: low-rank
        adaptation of large language models", https://arxiv.org/abs/2106.09685. Datta
        (2024), "Rethinking LoRA initialisation",
        https://datta0.github.io/posts/rethink-lora-init
    """

    part: str = dataclasses.field(metadata=options.required(known_part))
    gain: float = options.number(0.1, checks.finite)
    seed: int | None = options.seed()
    _: dataclasses.KW_ONLY
    axis: int | None = options.option(None, axis_or_none)

    arguments: ClassVar = {
        "shape": "``(inputs, rank)`` of A, ``(rank, outputs)`` of B; with `axis`, the other way "
        "round. The rank is even."
    }
    example = """
        >>> import jax
        >>> key = jax.random.key(0)
        >>> a = orthogonal_pair(key, (64, 8), part="A")
        >>> b = orthogonal_pair(key, (8, 32), part="B")
        >>> bool((abs(a @ b) < 1e-6).all())
        True
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        part: str,
        gain: Option,
        axis: int | None,
    ) -> Draw:
        """Check the rank and name the program."""
        target = checks.inexact_dtype(cls.name, dtype)
        checks.rank(cls.name, shape, 2, 2, why=" (the rank, and inputs or outputs)")
        if axis is None:
            axis = 1 if part == "A" else 0
        (axis,) = checks.axes(cls.name, "axis", axis, 2)
        if shape[axis] % 2:
            raise ValueError(
                f"{cls.name}: the rank must be even, since each part has half of it; got "
                f"{shape[axis]}, axis {axis} of shape {shape!r}"
            )
        scalars = (draws.number(compute_dtype(target), gain),)
        return bind(Complementary(part == "B", axis), scalars, shape, target, sharding)
