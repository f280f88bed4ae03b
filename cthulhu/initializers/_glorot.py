"""Glorot (Xavier) normal and uniform."""

import dataclasses

from cthulhu.initializers._registry import defined
from cthulhu.initializers._variance_scaling import NamedScaling


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class GlorotNormal(NamedScaling):
    """Glorot normal initializer, also called Xavier normal initializer.

    Law: truncated normal (cut at two standard deviations before the cut) with
    mean 0 and, after the cut, standard deviation ``sqrt(2 / (fan_in + fan_out))``.
    Here fan_in is the number of input units in the weight tensor, and fan_out the
    number of output units.
    This is `VarianceScaling` with scale 1.0, mode ``"fan_avg"`` and
    distribution ``"truncated_normal"``. float32 values equal
    ``jax.jit(jax.nn.initializers.glorot_normal())`` bit for bit.

    Args:
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis, out_axis, batch_axis, layout: the axes, as in `VarianceScaling`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range, or the shape of a call has no such
            axis.

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

    scaling = (1.0, "fan_avg", "truncated_normal")
    aliases = ("xavier_normal",)
    legacy = ("glorot_normalV2",)
    known_as = ("xavier_normal_",)
    example = """
        >>> import jax
        >>> values = glorot_normal(jax.random.key(0), (400, 100))
        >>> round(float(values.std()), 3)
        0.063
    """


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class GlorotUniform(NamedScaling):
    """Glorot uniform initializer, also called Xavier uniform initializer.

    Law: uniform within [-limit, limit], with ``limit = sqrt(6 / (fan_in + fan_out))``;
    mean 0 and standard deviation ``sqrt(2 / (fan_in + fan_out))``.
    Here fan_in is the number of input units in the weight tensor, and fan_out the
    number of output units.
    This is `VarianceScaling` with scale 1.0, mode ``"fan_avg"`` and
    distribution ``"uniform"``. float32 values equal
    ``jax.jit(jax.nn.initializers.glorot_uniform())`` bit for bit.

    Args:
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis, out_axis, batch_axis, layout: the axes, as in `VarianceScaling`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range, or the shape of a call has no such
            axis.

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

    scaling = (1.0, "fan_avg", "uniform")
    aliases = ("xavier_uniform",)
    legacy = ("glorot_uniformV2",)
    known_as = ("glorot", "xavier", "xavier_uniform_")
    example = """
        >>> import jax
        >>> values = glorot_uniform(jax.random.key(0), (400, 100))
        >>> bool((abs(values) <= (6 / (400 + 100)) ** 0.5).all())
        True
    """
