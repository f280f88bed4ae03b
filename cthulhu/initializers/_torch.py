"""The scaled laws of `torch.nn.init`, and those of torch's own layers."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from jax.sharding import NamedSharding

from cthulhu import checks, gains
from cthulhu._types import Option
from cthulhu.fans import LayoutLike
from cthulhu.initializers import _options as options
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._registry import defined
from cthulhu.initializers._variance_scaling import (
    NamedScaling,
    OfFans,
    divided,
    known_distribution,
    known_mode,
    variance_scaled,
)
from cthulhu.programs import _draws as draws
from cthulhu.programs._build import Draw, compute_dtype
from cthulhu.typing import Distribution, DTypeLike, Mode


def known_nonlinearity(owner: str, argument: str, value: Any) -> str | float:
    """A name of a table, or the gain itself; of a function, its exact gain."""
    if isinstance(value, str):
        return checks.choice(owner, argument, value, sorted({*gains.TABLE, *gains.ACTIVATIONS}))
    if callable(value):
        return gains.gain(value)
    return checks.positive(owner, argument, value)  # type: ignore[return-value]


def variance_of(nonlinearity: str | float, a: Option) -> Option:
    """The square of a gain; torch's, where its table has one."""
    if nonlinearity == "leaky_relu":
        return 2.0 / (1.0 + a * a)
    if isinstance(nonlinearity, str):
        table = nonlinearity in gains.TABLE
        find = gains.calculate_gain if table else gains.gain
        nonlinearity = find(nonlinearity)
    return nonlinearity**2


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class Kaiming(OfFans):
    """He initializer for any nonlinearity, as torch's ``kaiming_normal_`` and ``_uniform_``.

    Law: mean 0 and standard deviation ``gain / sqrt(n)``, where n is the number of
    inputs, or of outputs with mode ``"fan_out"``. The gain is that of torch's table
    (`cthulhu.gains.calculate_gain`): ``sqrt(2 / (1 + a**2))`` for ``leaky_relu``; for a
    name that it lacks, as ``"gelu"``, and for a function the exact one
    (`cthulhu.gains.gain`). Not truncated, where `HeNormal` is.

    Args:
        a: the negative slope of ``leaky_relu``, a number or a scalar array; default 0,
            which is the rectifier.
        mode: ``"fan_in"`` (default), ``"fan_out"``, ``"fan_avg"`` or ``"fan_geo_avg"``.
        nonlinearity: a name, an elementwise function, or the gain itself; default
            ``"leaky_relu"``.
        distribution: ``"untruncated_normal"`` (default), ``"uniform"`` or
            ``"truncated_normal"``.
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis, out_axis, batch_axis, layout: the axes, as in `VarianceScaling`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range, or no such nonlinearity is known.

    Example:
        >>> import jax
        >>> Kaiming(nonlinearity="relu") == Kaiming(), Kaiming(nonlinearity=jax.numpy.tanh)
        (False, Kaiming(nonlinearity=1.5925374197228315))

    References:
        He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers",
        https://arxiv.org/abs/1502.01852
    """

    a: float = options.number(0.0, checks.finite)
    mode: Mode = options.option("fan_in", known_mode)
    nonlinearity: gains.Nonlinearity = options.option("leaky_relu", known_nonlinearity)
    distribution: Distribution = options.option("untruncated_normal", known_distribution)
    seed: int | None = options.seed()

    example = """
        >>> import jax
        >>> values = kaiming(jax.random.key(0), (400, 100), nonlinearity="linear")
        >>> round(float(values.std()), 2)  # 1 / sqrt(400)
        0.05
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        a: Option,
        mode: Mode,
        nonlinearity: str | float,
        distribution: Distribution,
        *axes: Any,
    ) -> Draw:
        """Variance scaling by the square of the gain."""
        scale = variance_of(nonlinearity, a)
        return variance_scaled(cls.name, shape, dtype, sharding, scale, mode, distribution, *axes)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class Xavier(OfFans):
    """Glorot initializer with a gain, as torch's ``xavier_normal_`` and ``xavier_uniform_``.

    Law: mean 0 and standard deviation ``gain * sqrt(2 / (fan_in + fan_out))``. Not
    truncated, where `GlorotNormal` is.

    Args:
        gain: the factor, greater than 0; a number or a scalar array; default 1.
            `cthulhu.gains` has those of activations.
        distribution: ``"untruncated_normal"`` (default), ``"uniform"`` or
            ``"truncated_normal"``.
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis, out_axis, batch_axis, layout: the axes, as in `VarianceScaling`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range.

    Example:
        >>> import jax
        >>> key = jax.random.key(0)
        >>> uniform = Xavier(distribution="uniform")(key, (4, 8))
        >>> from cthulhu.functional import glorot_uniform
        >>> bool((uniform == glorot_uniform(key, (4, 8))).all())
        True

    References:
        Glorot and Bengio (2010), "Understanding the difficulty of training deep
        feedforward neural networks", https://proceedings.mlr.press/v9/glorot10a.html
    """

    gain: float = options.number(1.0, checks.positive)
    distribution: Distribution = options.option("untruncated_normal", known_distribution)
    seed: int | None = options.seed()

    example = """
        >>> import jax
        >>> values = xavier(jax.random.key(0), (300, 100), gain=2.0)
        >>> round(float(values.std()), 2)  # 2 * sqrt(2 / 400)
        0.14
    """

    @classmethod
    def counted(cls, given: Mapping[str, Any]) -> Mode | None:
        """Both, as in Glorot's."""
        return "fan_avg"

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        gain: Option,
        distribution: Distribution,
        *axes: Any,
    ) -> Draw:
        """Variance scaling by the square of the gain."""
        scale = gain * gain
        return variance_scaled(
            cls.name, shape, dtype, sharding, scale, "fan_avg", distribution, *axes
        )


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class TorchLinear(NamedScaling):
    """Initializer that draws the kernels of torch's ``Linear`` and ``Conv`` layers.

    Law: uniform within [-limit, limit], with ``limit = 1 / sqrt(fan_in)``: what
    ``kaiming_uniform_(a=sqrt(5))`` is. torch draws biases within the same limit, of
    their kernel's fan_in.

    Args:
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis, out_axis, batch_axis, layout: the axes, as in `VarianceScaling`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range.

    Example:
        >>> import jax
        >>> kernel = TorchLinear()(jax.random.key(0), (100, 50))
        >>> bool((abs(kernel) <= 0.1).all())
        True

    References:
        LeCun, Bottou, Orr and Müller (1998), "Efficient BackProp",
        https://doi.org/10.1007/3-540-49430-8_2
    """

    scaling = (1 / 3, "fan_in", "uniform")
    in_keras = False
    example = """
        >>> import jax
        >>> values = torch_linear(jax.random.key(0), (16, 100))
        >>> bool((abs(values) <= 0.25).all())
        True
    """


def path_of(owner: str, argument: str, value: Any) -> str:
    """The path of another parameter."""
    if not isinstance(value, str) or not value:
        raise TypeError(
            f"{owner}: {argument} must be the path of a parameter, as 'kernel' or "
            f"'../dense/kernel'; got {value!r}"
        )
    return value


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class TorchBias(BuiltIn):
    """Initializer that draws the biases of torch's ``Linear`` and ``Conv`` layers.

    A bias does not tell how many inputs its kernel has. `fan_in` says it; in
    `cthulhu.params.Rules` the kernel beside it does.

    Law: uniform within [-limit, limit], with ``limit = 1 / sqrt(fan_in)``; 0 where
    there are no inputs.

    Args:
        fan_in: the number of inputs of the kernel; default: that of the parameter
            `kernel`, which only rules can see.
        seed: an integer from 0 to 2**32 - 1, or `None`.
        kernel: in rules, the path of the kernel, from where the bias is, as
            ``"kernel"`` (default) or ``"../dense/kernel"``; from the root with a slash
            before it.
        layout: the layout of the kernel, as ``"torch_conv"``, or a
            `cthulhu.fans.Layout`; default: the axes of the kernel's own initializer, or
            (…, inputs, outputs).

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range, or `fan_in` is not known.

    Example:
        >>> import jax
        >>> bias = TorchBias(fan_in=100)(jax.random.key(0), (50,))
        >>> bool((abs(bias) <= 0.1).all())
        True

    References:
        LeCun, Bottou, Orr and Müller (1998), "Efficient BackProp",
        https://doi.org/10.1007/3-540-49430-8_2
    """

    fan_in: int | None = options.option(None, checks.whole_or_none)
    seed: int | None = options.seed()
    _: dataclasses.KW_ONLY
    kernel: str = options.option("kernel", path_of)
    layout: LayoutLike = options.layout()

    example = """
        >>> import jax
        >>> bool((abs(torch_bias(jax.random.key(0), (50,), fan_in=16)) <= 0.25).all())
        True
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        fan_in: int | None,
        kernel: str,
        layout: LayoutLike,
    ) -> Draw:
        """Uniform, by the inputs of the kernel."""
        target = checks.inexact_dtype(cls.name, dtype)
        if fan_in is None:
            raise ValueError(
                f"{cls.name}: how many inputs has the kernel? Say fan_in=…, or use it in Rules, "
                f"where the parameter {kernel!r} tells"
            )
        if not fan_in:
            return draws.fill(shape, target, sharding, value=compute_dtype(target).type(0))
        return divided(shape, target, sharding, 1 / 3, fan_in, "uniform")
