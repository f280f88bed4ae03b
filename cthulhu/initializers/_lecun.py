"""LeCun normal and uniform."""

import dataclasses

from cthulhu.initializers._registry import defined
from cthulhu.initializers._variance_scaling import NamedScaling


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class LecunNormal(NamedScaling):
    """LeCun normal initializer.

    Law: truncated normal (cut at two standard deviations before the cut) with
    mean 0 and, after the cut, standard deviation ``sqrt(1 / fan_in)``.
    Here fan_in is the number of input units in the weight tensor.
    This is `VarianceScaling` with scale 1.0, mode ``"fan_in"`` and
    distribution ``"truncated_normal"``. float32 values equal
    ``jax.jit(jax.nn.initializers.lecun_normal())`` bit for bit.

    Args:
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis, out_axis, batch_axis, layout: the axes, as in `VarianceScaling`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range, or the shape of a call has no such
            axis.

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

    scaling = (1.0, "fan_in", "truncated_normal")
    legacy = ("lecun_normalV2",)
    known_as = ("lecun",)
    example = """
        >>> import jax
        >>> values = lecun_normal(jax.random.key(0), (400, 100))
        >>> round(float(values.std()), 3)
        0.05
    """


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class LecunUniform(NamedScaling):
    """LeCun uniform initializer.

    Law: uniform within [-limit, limit], with ``limit = sqrt(3 / fan_in)``;
    mean 0 and standard deviation ``sqrt(1 / fan_in)``.
    Here fan_in is the number of input units in the weight tensor.
    This is `VarianceScaling` with scale 1.0, mode ``"fan_in"`` and
    distribution ``"uniform"``. float32 values equal
    ``jax.jit(jax.nn.initializers.lecun_uniform())`` bit for bit.

    Args:
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis, out_axis, batch_axis, layout: the axes, as in `VarianceScaling`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range, or the shape of a call has no such
            axis.

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

    scaling = (1.0, "fan_in", "uniform")
    legacy = ("lecun_uniformV2",)
    example = """
        >>> import jax
        >>> values = lecun_uniform(jax.random.key(0), (400, 100))
        >>> bool((abs(values) <= (3 / 400) ** 0.5).all())
        True
    """
