"""VarianceScaling, and the named initializers that are cases of it."""

import dataclasses
from typing import Any

from cthulhu import checks, functional
from cthulhu.functional._variance_scaling import DISTRIBUTIONS, MODES
from cthulhu.initializers._bound import Bound, axes_option, option, seed_option
from cthulhu.typing import Axes, BatchAxes, Distribution, Mode

__all__ = [
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
    "VarianceScaling",
]


def known_mode(owner: str, argument: str, value: Any) -> str:
    """One of the modes."""
    return checks.choice(owner, argument, value, MODES)


def known_distribution(owner: str, argument: str, value: Any) -> str:
    """One of the distributions, under the name that Keras 3 writes."""
    name = checks.choice(owner, argument, value, DISTRIBUTIONS)
    return "truncated_normal" if name == "normal" else name


@dataclasses.dataclass(frozen=True, repr=False)
class VarianceScaling(Bound):
    """Initializer capable of adapting its scale to the shape of weights.

    Law: mean 0 and standard deviation ``sqrt(scale / n)``, where n is

    - the number of input units in the weight tensor, if mode = ``"fan_in"``
    - the number of output units, if mode = ``"fan_out"``
    - the average of both, if mode = ``"fan_avg"``
    - the geometric average of both, if mode = ``"fan_geo_avg"``

    With distribution ``"truncated_normal"``, or its synonym ``"normal"``, the
    samples are drawn from a truncated normal distribution centered on zero, whose
    standard deviation after the cut is the one above. With
    ``"untruncated_normal"`` they are normal, and with ``"uniform"`` uniform
    within [-limit, limit], with ``limit = sqrt(3 * scale / n)``.

    Args:
        scale: the factor, greater than 0; default 1.
        mode: ``"fan_in"`` (default), ``"fan_out"``, ``"fan_avg"`` or
            ``"fan_geo_avg"``.
        distribution: ``"truncated_normal"`` (default) or its synonym ``"normal"``,
            ``"untruncated_normal"`` or ``"uniform"``.
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the outputs; default -1.
        batch_axis: axes that stack independent tensors; default none; ``"rest"``
            is all that are neither inputs nor outputs.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an invalid value for `scale`, `mode` or `distribution`.

    Example:
        >>> VarianceScaling(distribution="normal") == VarianceScaling()
        True

    References:
        He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers",
        https://arxiv.org/abs/1502.01852
    """

    scale: float = option(1.0, checks.positive)
    mode: Mode = option("fan_in", known_mode)
    distribution: Distribution = option("truncated_normal", known_distribution)
    seed: int | None = seed_option()
    _: dataclasses.KW_ONLY
    in_axis: Axes = axes_option(-2)
    out_axis: Axes = axes_option(-1)
    batch_axis: BatchAxes = axes_option((), rest=True)

    function = staticmethod(functional.variance_scaling)


@dataclasses.dataclass(frozen=True, repr=False)
class _Named(Bound):
    """What the six named initializers share: a seed and the axes of the fans."""

    seed: int | None = seed_option()
    _: dataclasses.KW_ONLY
    in_axis: Axes = axes_option(-2)
    out_axis: Axes = axes_option(-1)
    batch_axis: BatchAxes = axes_option((), rest=True)


@dataclasses.dataclass(frozen=True, repr=False)
class LecunNormal(_Named):
    """LeCun normal initializer.

    Law: truncated normal centered on 0, with standard deviation
    ``sqrt(1 / fan_in)`` after the cut.
    Here fan_in is the number of input units in the weight tensor.

    Args:
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the outputs; default -1.
        batch_axis: axes that stack independent tensors; default none; ``"rest"``
            is all that are neither inputs nor outputs.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: the seed is out of range.

    Example:
        >>> import jax
        >>> from cthulhu.functional import lecun_normal
        >>> key = jax.random.key(0)
        >>> bool((LecunNormal()(key, (4, 3)) == lecun_normal(key, (4, 3))).all())
        True

    References:
        LeCun, Bottou, Orr and Müller (1998), "Efficient BackProp",
        https://doi.org/10.1007/3-540-49430-8_2
    """

    function = staticmethod(functional.lecun_normal)


@dataclasses.dataclass(frozen=True, repr=False)
class LecunUniform(_Named):
    """LeCun uniform initializer.

    Law: uniform within [-limit, limit], with ``limit = sqrt(3 / fan_in)``.
    Here fan_in is the number of input units in the weight tensor.

    Args:
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the outputs; default -1.
        batch_axis: axes that stack independent tensors; default none; ``"rest"``
            is all that are neither inputs nor outputs.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: the seed is out of range.

    Example:
        >>> import jax
        >>> from cthulhu.functional import lecun_uniform
        >>> key = jax.random.key(0)
        >>> bool((LecunUniform()(key, (4, 3)) == lecun_uniform(key, (4, 3))).all())
        True

    References:
        LeCun, Bottou, Orr and Müller (1998), "Efficient BackProp",
        https://doi.org/10.1007/3-540-49430-8_2
    """

    function = staticmethod(functional.lecun_uniform)


@dataclasses.dataclass(frozen=True, repr=False)
class GlorotNormal(_Named):
    """Glorot normal initializer, also called Xavier normal initializer.

    Law: truncated normal centered on 0, with standard deviation
    ``sqrt(2 / (fan_in + fan_out))`` after the cut.
    Here fan_in is the number of input units in the weight tensor, and fan_out the number of
    output units.

    Args:
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the outputs; default -1.
        batch_axis: axes that stack independent tensors; default none; ``"rest"``
            is all that are neither inputs nor outputs.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: the seed is out of range.

    Example:
        >>> import jax
        >>> from cthulhu.functional import glorot_normal
        >>> key = jax.random.key(0)
        >>> bool((GlorotNormal()(key, (4, 3)) == glorot_normal(key, (4, 3))).all())
        True

    References:
        Glorot and Bengio (2010), "Understanding the difficulty of training deep
        feedforward neural networks",
        https://proceedings.mlr.press/v9/glorot10a.html
    """

    function = staticmethod(functional.glorot_normal)


@dataclasses.dataclass(frozen=True, repr=False)
class GlorotUniform(_Named):
    """Glorot uniform initializer, also called Xavier uniform initializer.

    Law: uniform within [-limit, limit], with ``limit = sqrt(6 / (fan_in + fan_out))``.
    Here fan_in is the number of input units in the weight tensor, and fan_out the number of
    output units.

    Args:
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the outputs; default -1.
        batch_axis: axes that stack independent tensors; default none; ``"rest"``
            is all that are neither inputs nor outputs.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: the seed is out of range.

    Example:
        >>> import jax
        >>> from cthulhu.functional import glorot_uniform
        >>> key = jax.random.key(0)
        >>> bool((GlorotUniform()(key, (4, 3)) == glorot_uniform(key, (4, 3))).all())
        True

    References:
        Glorot and Bengio (2010), "Understanding the difficulty of training deep
        feedforward neural networks",
        https://proceedings.mlr.press/v9/glorot10a.html
    """

    function = staticmethod(functional.glorot_uniform)


@dataclasses.dataclass(frozen=True, repr=False)
class HeNormal(_Named):
    """He normal initializer, also called Kaiming normal initializer.

    Law: truncated normal centered on 0, with standard deviation
    ``sqrt(2 / fan_in)`` after the cut.
    Here fan_in is the number of input units in the weight tensor.

    Args:
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the outputs; default -1.
        batch_axis: axes that stack independent tensors; default none; ``"rest"``
            is all that are neither inputs nor outputs.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: the seed is out of range.

    Example:
        >>> import jax
        >>> from cthulhu.functional import he_normal
        >>> key = jax.random.key(0)
        >>> bool((HeNormal()(key, (4, 3)) == he_normal(key, (4, 3))).all())
        True

    References:
        He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers",
        https://arxiv.org/abs/1502.01852
    """

    function = staticmethod(functional.he_normal)


@dataclasses.dataclass(frozen=True, repr=False)
class HeUniform(_Named):
    """He uniform initializer, also called Kaiming uniform initializer.

    Law: uniform within [-limit, limit], with ``limit = sqrt(6 / fan_in)``.
    Here fan_in is the number of input units in the weight tensor.

    Args:
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the outputs; default -1.
        batch_axis: axes that stack independent tensors; default none; ``"rest"``
            is all that are neither inputs nor outputs.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: the seed is out of range.

    Example:
        >>> import jax
        >>> from cthulhu.functional import he_uniform
        >>> key = jax.random.key(0)
        >>> bool((HeUniform()(key, (4, 3)) == he_uniform(key, (4, 3))).all())
        True

    References:
        He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers",
        https://arxiv.org/abs/1502.01852
    """

    function = staticmethod(functional.he_uniform)
