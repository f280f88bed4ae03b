"""Tables of positions."""

import dataclasses
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import NamedSharding
from jax.typing import ArrayLike

from cthulhu import checks
from cthulhu._types import DType, HostArray, Number
from cthulhu.initializers import _options as options
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._registry import defined
from cthulhu.laws import Law, Moments
from cthulhu.programs._build import Draw, bind
from cthulhu.typing import DTypeLike

Grid = tuple[int, int] | None


def base_of(owner: str, argument: str, value: Any) -> float:
    """A number greater than 0, which the program is made for."""
    if checks.is_traced(value):
        raise TypeError(
            f"{owner}: {argument} must be concrete, since the frequencies are computed in double "
            "precision; got a traced array"
        )
    return float(checks.positive(owner, argument, value))


def grid_of(owner: str, argument: str, value: Any) -> Grid:
    """A height and a width, or none."""
    if value is None:
        return None
    sizes = checks.axis_tuple(owner, argument, value)
    if len(sizes) != 2 or min(sizes) < 1:
        raise ValueError(
            f"{owner}: {argument} must be None or (height, width), both at least 1; got {value!r}"
        )
    return sizes[0], sizes[1]


@dataclasses.dataclass(frozen=True)
class Waves(Law):
    """Sines, then cosines, of positions at geometric frequencies: of x, and then of y in a grid.

    An angle is split into whole turns, which are dropped, and a part of one, so that it
    is as exact far from the origin as it is near.

    Args:
        base: the ratio of the highest to the lowest frequency.
        grid: the height and the width of a grid, or `None`.

    Example:
        >>> Waves(10000.0, None).moments((1, 8))
        Moments(mean=0.5, stddev=0.5)
    """

    base: float
    grid: Grid

    uses_key = False

    def frequencies(self, count: int) -> HostArray:
        """From 1 to 1 / base, both included."""
        return self.base ** (-np.arange(count) / max(count - 1, 1))

    def values(
        self, key: jax.Array | None, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The table, for any key."""
        if 0 in shape:
            return jnp.zeros(shape, dtype)
        real = np.zeros((), dtype).real.dtype
        last = len(shape) - 1
        place = lax.broadcasted_iota(np.int32, shape, last - 1)
        counts = shape[last - 1 : last]
        if self.grid is not None:
            height, width = counts = self.grid
            flat = shape[-2] == height * width
            y = place // width if flat else lax.broadcasted_iota(np.int32, shape, last - 2)
            x = place % width if flat else place
            place = jnp.where(lax.broadcasted_iota(np.int32, shape, last) < shape[-1] // 2, x, y)
        waves = shape[-1] // (2 * len(counts))
        row = (1,) * last + shape[-1:]
        turns = np.tile(self.frequencies(waves), 2 * len(counts)).reshape(row) / (2 * np.pi)
        # As many bits of a turn as leave its product with every position exact.
        bits = np.finfo(real).nmant + 1 - max(counts).bit_length()
        upper = np.ldexp(np.floor(np.ldexp(turns, bits)), -bits)
        quarter = np.tile(np.repeat([0.0, 0.25], waves), len(counts)).reshape(row).astype(real)
        position = place.astype(real)
        whole = position * upper.astype(real)
        part = (whole - jnp.round(whole)) + position * (turns - upper).astype(real)
        return jnp.sin(real.type(2 * np.pi) * (part + quarter)).astype(dtype)

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """Those of the table: half is the mean of its squares, for a sine has its cosine."""
        if 0 in shape:
            return Moments(0.0, 0.0)
        counts = self.grid or shape[-2:-1]
        phases = 1j * self.frequencies(shape[-1] // (2 * len(counts)))
        sums = [np.expm1(count * phases) / np.expm1(phases) / count for count in counts]
        mean = float(np.mean([(one.real + one.imag).mean() / 2 for one in sums]))
        return Moments(mean, math.sqrt(0.5 - mean**2))

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """Between -1 and 1."""
        return -1.0, 1.0


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class SinCos(BuiltIn):
    """Initializer that generates tables of positions: sines and cosines of many frequencies.

    Law: of c channels, the first c / 2 are ``sin(f[j] * p)``, and the others
    ``cos(f[j] * p)``, of the position p along the axis before them, with
    ``f[j] = base ** (-j / (c / 2 - 1))``, as in Tensor2Tensor and Whisper. In a grid,
    ``sin(f[j] * x)``, ``cos(f[j] * x)``, ``sin(f[j] * y)`` and ``cos(f[j] * y)`` have a
    quarter each, with ``f[j] = base ** (-j / (c / 4 - 1))``, as in Big Vision. Further
    leading axes repeat the table. Angles lose nothing far from the origin: float32 values
    of 4096 positions are within 3e-6 of those in exact arithmetic.

    Args:
        grid: `None` (default) for positions in a line, shapes ``(positions, channels)``;
            ``(height, width)`` for those in a grid, shapes ``(height * width, channels)``,
            row after row, or ``(height, width, channels)``.
        base: the ratio of the highest frequency, which is 1, to the lowest; greater than
            0; default 10000.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range, or the shape of a call does not fit
            `grid`, or its channels are not even; in a grid, not a multiple of 4.

    Example:
        >>> SinCos()((1, 4)).tolist()  # Two sines and two cosines of 0.
        [[0.0, 0.0, 1.0, 1.0]]

    References:
        Vaswani et al. (2017), "Attention is all you need",
        https://arxiv.org/abs/1706.03762. Chen, Xie and He (2021), "An empirical study
        of training self-supervised vision transformers", https://arxiv.org/abs/2104.02057
    """

    grid: tuple[int, int] | None = options.option(None, grid_of)
    base: float = options.option(10000.0, base_of)

    draws = False
    arguments: ClassVar = {
        "shape": "``(*leading, positions, channels)``, or that of a grid.",
        "dtype": "a floating or complex type; default: JAX's default float.",
    }
    example = """
        The inner product of two positions is that of any two as far apart:

        >>> table = sin_cos(None, (100, 64))
        >>> bool(abs(table[3] @ table[8] - table[90] @ table[95]) < 1e-4)
        True
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        grid: Grid,
        base: float,
    ) -> Draw:
        """Check the shape of the table and name the program."""
        target = checks.inexact_dtype(cls.name, dtype)
        checks.rank(cls.name, shape, 2, why=" (positions, then channels)")
        if grid is not None and shape[-2] != math.prod(grid) and shape[-3:-1] != grid:
            height, width = grid
            raise ValueError(
                f"{cls.name}: shape must end in ({height * width}, channels) or "
                f"({height}, {width}, channels) with grid={grid!r}; got {shape!r}"
            )
        multiple = 2 if grid is None else 4
        if shape[-1] % multiple and 0 not in shape:
            raise ValueError(
                f"{cls.name}: the last dimension (channels) must be a multiple of {multiple}, "
                f"for sines and cosines{'' if grid is None else ' of x and y'}; got {shape!r}"
            )
        return bind(Waves(base, grid), (), shape, target, sharding)
