"""Variance scaling, and what the named initializers that are cases of it share."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self, get_args

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import NamedSharding

from cthulhu import checks
from cthulhu._types import DType, Option
from cthulhu.fans import Fans, Layout, LayoutLike
from cthulhu.fans._layout import chosen
from cthulhu.initializers import _options as options
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._registry import defined
from cthulhu.programs import _draws as draws
from cthulhu.programs._build import Draw, compute_dtype
from cthulhu.typing import Axes, BatchAxes, Distribution, DTypeLike, Mode

FAN_AXES = ("in_axis", "out_axis", "batch_axis")
MODES: tuple[str, ...] = get_args(Mode)
DISTRIBUTIONS: tuple[str, ...] = get_args(Distribution)


def known_mode(owner: str, argument: str, value: object) -> str:
    """One of the modes."""
    return checks.choice(owner, argument, value, MODES)


def known_distribution(owner: str, argument: str, value: object) -> str:
    """One of the distributions, under the name that Keras 3 writes."""
    name = checks.choice(owner, argument, value, DISTRIBUTIONS)
    return "truncated_normal" if name == "normal" else name


def denominator(fans: Fans, mode: str) -> float:
    """The n of a mode, at least 1 so that empty tensors have a scale too."""
    n: float = {
        "fan_in": fans.fan_in,
        "fan_out": fans.fan_out,
        "fan_avg": (fans.fan_in + fans.fan_out) / 2,
        "fan_geo_avg": math.sqrt(fans.fan_in * fans.fan_out),
    }[mode]
    return max(1.0, n)


def fan(
    owner: str,
    shape: tuple[int, ...],
    mode: str,
    in_axis: Axes,
    out_axis: Axes,
    batch_axis: BatchAxes,
    layout: LayoutLike,
) -> float:
    """The n of a mode, for a tensor of these axes or of this layout."""
    axes = chosen(owner, Layout(in_axis, out_axis, batch_axis), layout)
    return denominator(axes.fans_of(owner, shape), mode)


def variance_scaled(
    owner: str,
    shape: tuple[int, ...],
    dtype: DTypeLike | None,
    sharding: NamedSharding | None,
    scale: Option,
    mode: str,
    distribution: str,
    in_axis: Axes,
    out_axis: Axes,
    batch_axis: BatchAxes,
    layout: LayoutLike,
) -> Draw:
    """Count the fans, and name the program."""
    target = checks.inexact_dtype(owner, dtype)
    n = fan(owner, shape, mode, in_axis, out_axis, batch_axis, layout)
    return divided(shape, target, sharding, scale, n, distribution)


def divided(
    shape: tuple[int, ...],
    target: DType,
    sharding: NamedSharding | None,
    scale: Option,
    n: float,
    distribution: str,
) -> Draw:
    """The draw of variance `scale / n`, in the arithmetic of the draw."""
    compute = compute_dtype(target)
    is_complex = bool(jnp.issubdtype(compute, np.complexfloating))
    if checks.is_traced(scale):
        variance = lax.convert_element_type(scale, compute) / compute.type(n)
        root: Any = jnp.sqrt
    else:
        variance, root = draws.number(compute, scale / n), np.sqrt
    if distribution == "uniform":
        if is_complex:
            return draws.uniform_disk(shape, target, sharding, stddev=root(variance))
        limit = root(compute.type(3) * variance)
        return draws.uniform(shape, target, sharding, minval=-1.0, maxval=1.0, scale=limit)
    if distribution == "untruncated_normal":
        return draws.normal(shape, target, sharding, stddev=root(variance))
    if is_complex:
        remaining = compute.type(draws.COMPLEX_TRUNCATED_STDDEV)
        return draws.truncated_disk(shape, target, sharding, stddev=root(variance) / remaining)
    remaining = compute.type(draws.TRUNCATED_STDDEV)
    return draws.truncated_normal(shape, target, sharding, stddev=root(variance) / remaining)


@dataclasses.dataclass(frozen=True, repr=False)
class OfFans(BuiltIn):
    """What has axes that are counted as inputs and outputs: they are its last options."""

    _: dataclasses.KW_ONLY
    in_axis: Axes = options.axes(-2)
    out_axis: Axes = options.axes(-1)
    batch_axis: BatchAxes = options.axes((), rest=True)
    layout: LayoutLike = options.layout()

    @classmethod
    def for_einsum(cls, equation: str, **given: Any) -> Self:
        """The initializer of the kernel in an einsum: its second operand.

        Args:
            equation: as ``"bsd,dhk->bshk"``.
            **given: the other options.

        Returns:
            An instance with an axis for each letter of the kernel.

        Raises:
            ValueError: the equation is not of two operands and a result.

        Example:
            >>> from cthulhu.initializers import HeNormal
            >>> HeNormal.for_einsum("bsd,dhk->bshk")
            HeNormal(in_axis=0, out_axis=(1, 2))
        """
        found = Layout.einsum(equation)
        axes = {name: getattr(found, name) for name in FAN_AXES}
        return cls(**{**axes, **given})

    @classmethod
    def counted(cls, given: Mapping[str, Any]) -> Mode | None:
        """Which number of units the variance falls with, of these options; `None` if with none."""
        return given.get("mode")

    @classmethod
    def agree(cls, owner: str, given: Mapping[str, Any]) -> None:
        """Refuse axes and a layout at once."""
        chosen(owner, Layout(*(given[name] for name in FAN_AXES)), given["layout"])


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class VarianceScaling(OfFans):
    """Initializer capable of adapting its scale to the shape of weights.

    Law: mean 0 and standard deviation ``sqrt(scale / n)``, where n is, at least 1,

    - the number of input units in the weight tensor, if mode = ``"fan_in"``
    - the number of output units, if mode = ``"fan_out"``
    - the average of both, if mode = ``"fan_avg"``
    - the geometric average of both, if mode = ``"fan_geo_avg"``

    The distribution is

    - ``"truncated_normal"``, or its synonym ``"normal"``: normal, cut at two
      standard deviations of the normal before the cut, and widened by 1 / 0.8796
      so that the standard deviation after the cut is the one above. (In
      `jax.nn.initializers`, ``"normal"`` is the untruncated one.)
    - ``"untruncated_normal"``: normal.
    - ``"uniform"``: uniform within [-limit, limit], with
      ``limit = sqrt(3 * scale / n)``.

    A complex dtype gives a normal cut at a modulus, a normal, or a disk.
    float32 values equal ``jax.jit(jax.nn.initializers.variance_scaling(…))``
    bit for bit.

    Args:
        scale: the factor, greater than 0; a number or a scalar array; default 1.
        mode: ``"fan_in"`` (default), ``"fan_out"``, ``"fan_avg"`` or
            ``"fan_geo_avg"``.
        distribution: ``"truncated_normal"`` (default) or its synonym ``"normal"``,
            ``"untruncated_normal"`` or ``"uniform"``.
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis, out_axis, batch_axis, layout: which axes are inputs, outputs and neither.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an invalid value for `scale`, `mode` or `distribution`, or an
            axis that the shape of a call does not have.

    Example:
        >>> VarianceScaling(distribution="normal") == VarianceScaling()
        True

    References:
        He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers",
        https://arxiv.org/abs/1502.01852. Glorot and Bengio (2010),
        "Understanding the difficulty of training deep feedforward neural
        networks", https://proceedings.mlr.press/v9/glorot10a.html
    """

    scale: float = options.number(1.0, checks.positive)
    mode: Mode = options.option("fan_in", known_mode)
    distribution: Distribution = options.option("truncated_normal", known_distribution)
    seed: int | None = options.seed()

    in_keras = True
    example = """
        A stack of twelve layers, each scaled as if it stood alone:

        >>> import jax
        >>> stack = variance_scaling(jax.random.key(0), (12, 100, 100), batch_axis=0)
        >>> round(float(stack.std()), 2)
        0.1
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        *options: *tuple[Option, Mode, Distribution, Axes, Axes, BatchAxes, LayoutLike],
    ) -> Draw:
        """The law of these very options."""
        return variance_scaled(cls.name, shape, dtype, sharding, *options)


@dataclasses.dataclass(frozen=True, repr=False)
class NamedScaling(OfFans):
    """What the six named initializers share: a seed and the axes of the fans."""

    seed: int | None = options.seed()

    scaling: ClassVar[tuple[float, Mode, Distribution]]
    """The options of `VarianceScaling` that the name stands for."""

    in_keras = True

    @classmethod
    def counted(cls, given: Mapping[str, Any]) -> Mode | None:
        """That which the name stands for."""
        return cls.scaling[1]

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        in_axis: Axes,
        out_axis: Axes,
        batch_axis: BatchAxes,
        layout: LayoutLike,
    ) -> Draw:
        """Variance scaling with these axes."""
        scale, mode, distribution = cls.scaling
        axes = in_axis, out_axis, batch_axis, layout
        return variance_scaled(cls.name, shape, dtype, sharding, scale, mode, distribution, *axes)
