"""The scales of transformers that depend on the width, and on the number of layers."""

import dataclasses
from typing import Any

from jax.sharding import NamedSharding

from cthulhu import checks
from cthulhu.initializers import _options as options
from cthulhu.initializers._registry import defined
from cthulhu.initializers._variance_scaling import NamedScaling, OfFans, variance_scaled
from cthulhu.programs._build import Draw
from cthulhu.typing import DTypeLike


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class SmallInit(NamedScaling):
    """Initializer of a transformer's weights, as GPT-NeoX's ``small_init``.

    Law: normal with mean 0 and standard deviation ``sqrt(2 / (5 * d))``, where d is
    fan_in. The law's d is the model's width: fan_in of every kernel that reads the
    residual stream. A table of embeddings (vocabulary, d) has it with ``in_axis=-1``
    and ``out_axis=-2``.

    Args:
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis, out_axis, batch_axis, layout: the axes, as in `VarianceScaling`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range.

    Example:
        What a kernel writes does not count:

        >>> SmallInit().draw((768, 768)).moments() == SmallInit().draw((768, 3072)).moments()
        True

    References:
        Nguyen and Salazar (2019), "Transformers without tears: improving the
        normalization of self-attention", https://arxiv.org/abs/1910.05895
    """

    scaling = (2 / 5, "fan_in", "untruncated_normal")
    in_keras = False
    known_as = ("small_init_init_method",)
    example = """
        >>> import jax
        >>> values = small_init(jax.random.key(0), (1000, 100))
        >>> round(float(values.std()), 2)
        0.02
    """


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class WangInit(OfFans):
    """Initializer of the projections that end a residual branch, as GPT-NeoX's ``wang_init``.

    Law: normal with mean 0 and standard deviation ``2 / (layers * sqrt(d))``, where d
    is fan_out. The law's d is the model's width: fan_out of every kernel that writes
    to the residual stream, whatever it reads.

    Args:
        layers: the number of layers of the model, each of an attention and a
            feed-forward block.
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis, out_axis, batch_axis, layout: the axes, as in `VarianceScaling`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range.

    Example:
        The end of an attention, and that of a feed-forward block, are scaled alike:

        >>> end = WangInit(layers=12)
        >>> end.draw((768, 768)).moments() == end.draw((3072, 768)).moments()
        True

    References:
        Wang and Komatsuzaki (2021), "Mesh Transformer JAX",
        https://github.com/kingoflolz/mesh-transformer-jax
    """

    layers: int = dataclasses.field(metadata=options.required(checks.count))
    seed: int | None = options.seed()

    known_as = ("wang_init_method",)
    example = """
        >>> import jax
        >>> values = wang_init(jax.random.key(0), (400, 100), layers=10)
        >>> round(float(values.std()), 3)  # 2 / 10 / sqrt(100)
        0.02
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        layers: int,
        *axes: Any,
    ) -> Draw:
        """Variance scaling by the outputs, and by the square of the depth."""
        law = 4 / layers**2, "fan_out", "untruncated_normal"
        return variance_scaled(cls.name, shape, dtype, sharding, *law, *axes)
