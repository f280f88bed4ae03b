"""He (Kaiming) normal and uniform."""

import dataclasses

from cthulhu.initializers._registry import defined
from cthulhu.initializers._variance_scaling import NamedScaling


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class HeNormal(NamedScaling):
    """He normal initializer, also called Kaiming normal initializer.

    Law: truncated normal (cut at two standard deviations before the cut) with
    mean 0 and, after the cut, standard deviation ``sqrt(2 / fan_in)``.
    Here fan_in is the number of input units in the weight tensor.
    This is `VarianceScaling` with scale 2.0, mode ``"fan_in"`` and
    distribution ``"truncated_normal"``. float32 values equal
    ``jax.jit(jax.nn.initializers.he_normal())`` bit for bit.

    Args:
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis, out_axis, batch_axis, layout: the axes, as in `VarianceScaling`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range, or the shape of a call has no such
            axis.

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

    scaling = (2.0, "fan_in", "truncated_normal")
    aliases = ("kaiming_normal",)
    legacy = ("he_normalV2",)
    known_as = ("he", "kaiming_normal_")
    example = """
        >>> import jax
        >>> values = he_normal(jax.random.key(0), (400, 100))
        >>> round(float(values.std()), 3)
        0.071
    """


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class HeUniform(NamedScaling):
    """He uniform initializer, also called Kaiming uniform initializer.

    Law: uniform within [-limit, limit], with ``limit = sqrt(6 / fan_in)``;
    mean 0 and standard deviation ``sqrt(2 / fan_in)``.
    Here fan_in is the number of input units in the weight tensor.
    This is `VarianceScaling` with scale 2.0, mode ``"fan_in"`` and
    distribution ``"uniform"``. float32 values equal
    ``jax.jit(jax.nn.initializers.he_uniform())`` bit for bit.

    Args:
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis, out_axis, batch_axis, layout: the axes, as in `VarianceScaling`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range, or the shape of a call has no such
            axis.

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

    scaling = (2.0, "fan_in", "uniform")
    aliases = ("kaiming_uniform",)
    legacy = ("he_uniformV2",)
    known_as = ("kaiming_uniform_",)
    example = """
        >>> import jax
        >>> values = he_uniform(jax.random.key(0), (400, 100))
        >>> bool((abs(values) <= (6 / 400) ** 0.5).all())
        True
    """
