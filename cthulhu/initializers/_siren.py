"""Networks whose activations are sines."""

import dataclasses
from typing import Any

from jax.sharding import NamedSharding

from cthulhu import checks
from cthulhu._types import Option
from cthulhu.initializers import _options as options
from cthulhu.initializers._registry import defined
from cthulhu.initializers._variance_scaling import OfFans, fan, variance_scaled
from cthulhu.programs._build import Draw
from cthulhu.typing import DTypeLike


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class Siren(OfFans):
    """Initializer of the kernels of a network of sines, ``sin(w0 * (x @ kernel + bias))``.

    Law: uniform within [-limit, limit], with ``limit = sqrt(6 / fan_in) / w0``; in the
    first layer, which reads coordinates, ``limit = 1 / fan_in``. The authors' code draws
    biases as torch does, within ``1 / sqrt(fan_in)`` of their kernels' fan_in.

    Args:
        w0: the frequency that a layer multiplies its sum by, greater than 0; a number or
            a scalar array; default 30. It does not scale a first layer.
        first: whether the layer is the first; default `False`.
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis, out_axis, batch_axis, layout: the axes, as in `VarianceScaling`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range.

    Example:
        What a sine is of has a standard deviation of 1, whatever the width:

        >>> import jax, jax.numpy as jnp
        >>> sines = jnp.sin(jax.random.uniform(jax.random.key(0), (1000, 256), maxval=6.2832))
        >>> z = 30 * (sines @ Siren(seed=0)((256, 256)))
        >>> round(float(z.std()), 1)
        1.0

    References:
        Sitzmann, Martel, Bergman, Lindell and Wetzstein (2020), "Implicit neural
        representations with periodic activation functions",
        https://arxiv.org/abs/2006.09661
    """

    w0: float = options.number(30.0, checks.positive)
    first: bool = options.option(False, checks.flag)
    seed: int | None = options.seed()

    example = """
        >>> import jax
        >>> values = siren(jax.random.key(0), (2, 256), first=True)
        >>> bool(0.49 < abs(values).max() <= 0.5)
        True
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        w0: Option,
        first: bool,
        *axes: Any,
    ) -> Draw:
        """Variance scaling, by which a limit is `sqrt(3 * scale / fan_in)`."""
        scale = 1 / (3 * fan(cls.name, shape, "fan_in", *axes)) if first else 2 / (w0 * w0)
        return variance_scaled(cls.name, shape, dtype, sharding, scale, "fan_in", "uniform", *axes)
