"""Matrices of a given spectral norm, by the numbers of their inputs and outputs."""

import dataclasses
import math
from typing import Any, ClassVar

from jax.sharding import NamedSharding

from cthulhu import checks
from cthulhu._types import Option
from cthulhu.fans import Layout, LayoutLike
from cthulhu.fans._count import counted
from cthulhu.fans._layout import chosen
from cthulhu.initializers import _options as options
from cthulhu.initializers._registry import defined
from cthulhu.initializers._variance_scaling import OfFans
from cthulhu.laws import Orthogonal as OrthogonalLaw
from cthulhu.laws import Spectral as SpectralLaw
from cthulhu.laws._base import is_complex
from cthulhu.laws._matrices import Matrices
from cthulhu.programs import _draws as draws
from cthulhu.programs._build import Draw, bind, compute_dtype
from cthulhu.typing import Axes, BatchAxes, DTypeLike

ELSEWHERE = {"scale": "write gain=…", "axis": "write out_axis=…"}


def matrices_of(
    owner: str,
    shape: tuple[int, ...],
    in_axis: Axes,
    out_axis: Axes,
    batch_axis: BatchAxes,
    layout: LayoutLike,
) -> Matrices:
    """Which axes are the columns, one for each output, and which stack such matrices."""
    axes = chosen(owner, Layout(in_axis, out_axis, batch_axis), layout)
    if axes.groups > 1:
        raise ValueError(
            f"{owner}: the kernel of a convolution in {axes.groups} groups is that many matrices "
            "side by side; make one for each group, and concatenate them along the outputs"
        )
    if axes.batch_axis != "rest":
        stacked = checks.axes(owner, "batch_axis", axes.batch_axis, len(shape))
        checks.rank(owner, shape, 2 + len(stacked), why=" (a matrix, and the batch axes)")
    found = counted(owner, shape, axes.in_axis, axes.out_axis, axes.batch_axis)
    if set(found.inputs) & set(found.outputs):
        raise ValueError(
            f"{owner}: inputs and outputs must be different axes of a matrix; got "
            f"in_axis={axes.in_axis!r} and out_axis={axes.out_axis!r}"
        )
    columns = found.inputs if axes.transpose else found.outputs
    axis = columns[0] if len(columns) == 1 else tuple(sorted(columns))
    return Matrices(axis, tuple(sorted(found.batch)))


def sides(matrices: Matrices, shape: tuple[int, ...]) -> tuple[int, int]:
    """The numbers of rows and of columns, at least 1 so that empty tensors have a scale too."""
    _, rows, columns = matrices.extent(shape)
    return max(rows, 1), max(columns, 1)


def times(dtype: Any, gain: Option, factor: float) -> Any:
    """A product in the arithmetic of a draw: computed on the host unless traced."""
    if checks.is_traced(gain):
        return draws.number(dtype, gain) * draws.number(dtype, factor)
    return draws.number(dtype, gain * factor)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class ScaledOrthogonal(OfFans):
    """Initializer that generates orthogonal matrices by which Muon's updates are measured.

    A vector of inputs whose elements have the root mean square 1 becomes at most `gain`
    times such a vector of outputs: the norm of the matrix from one root mean square to
    the other is `gain`. The matrix of a tensor has a column for each output, and a row
    for each of the rest: of a convolution, each input at each tap, fan_in of them. To
    make each tap a matrix of its own, name the spatial axes as `batch_axis`.

    Law: ``gain * sqrt(outputs / fan_in)`` times a matrix from the Haar distribution, as
    `Orthogonal` makes it, bit for bit. Each element has mean 0 and standard deviation
    ``gain * sqrt(outputs / fan_in / max(outputs, fan_in))``. A complex dtype gives
    unitary matrices.

    Args:
        gain: the factor; a number or a scalar array; default 1.
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis, out_axis, batch_axis, layout: the axes, as in `VarianceScaling`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range, the shape of a call has less than two
            dimensions beside the batch axes, or its layout is no matrix's.

    Example:
        >>> import jax.numpy as jnp
        >>> q = ScaledOrthogonal(seed=0)((16, 64))
        >>> bool(jnp.allclose(q @ q.T, 4 * jnp.eye(16), atol=1e-5))
        True

    References:
        Large, Liu, Huh, Bahng, Isola and Bernstein (2024), "Scalable optimization in the
        modular norm", https://arxiv.org/abs/2405.14813
    """

    gain: float = options.number(1.0, checks.finite)
    seed: int | None = options.seed()

    elsewhere: ClassVar = ELSEWHERE
    example = """
        Taps of which each is orthogonal, and whose convolution multiplies no norm by more
        than `sqrt(outputs / inputs)`:

        >>> import jax, jax.numpy as jnp
        >>> taps = {"gain": 1 / 9, "batch_axis": (0, 1)}
        >>> kernel = scaled_orthogonal(jax.random.key(0), (3, 3, 8, 8), **taps)
        >>> tap = 9 * kernel[1, 2]
        >>> bool(jnp.allclose(tap @ tap.T, jnp.eye(8), atol=1e-5))
        True
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        gain: Option,
        *axes: Any,
    ) -> Draw:
        """The law of orthogonal matrices, with another gain."""
        target = checks.inexact_dtype(cls.name, dtype)
        found = matrices_of(cls.name, shape, *axes)
        rows, columns = sides(found, shape)
        scalars = (times(compute_dtype(target), gain, math.sqrt(columns / rows)),)
        law = OrthogonalLaw(found.axis, found.batch)
        return bind(law, scalars, shape, target, sharding)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class Spectral(OfFans):
    """Initializer that generates normal matrices of the spectral norm that features need.

    Features learn at the same rate in every width if the largest singular value of each
    matrix is in proportion to ``sqrt(outputs / fan_in)``. The matrix of a tensor has a
    column for each output, and a row for each of the rest: of a convolution, each input
    at each tap, fan_in of them.

    Law: normal, divided by its largest singular value, times ``gain * sqrt(outputs /
    fan_in)``: no other value is the matrix's norm, and no element is larger. Each element
    has mean 0. With ``exact=False`` there is no decomposition: independent and normal, of
    standard deviation ``gain * sqrt(outputs / fan_in) / (sqrt(fan_in) + sqrt(outputs))``,
    for the norm of a standard normal matrix is nearly the sum of these roots; float32
    values equal those of ``jax.jit(jax.nn.initializers.normal(stddev))`` bit for bit.

    Args:
        gain: the factor, at least 0; a number or a scalar array; default 1.
        exact: whether to measure the norm, by a decomposition of singular values, rather
            than to expect it; default `True`.
        seed: an integer from 0 to 2**32 - 1, or `None`.
        in_axis, out_axis, batch_axis, layout: the axes, as in `VarianceScaling`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range, the shape of a call has less than two
            dimensions beside the batch axes, or its layout is no matrix's.

    Example:
        >>> import jax.numpy as jnp
        >>> matrix = Spectral(seed=0)((16, 64))
        >>> round(float(jnp.linalg.norm(matrix, ord=2)), 5)
        2.0

    References:
        Yang, Simon and Bernstein (2023), "A spectral condition for feature learning",
        https://arxiv.org/abs/2310.17813
    """

    gain: float = options.number(1.0, checks.non_negative)
    exact: bool = options.option(True, checks.flag)
    seed: int | None = options.seed()

    elsewhere: ClassVar = ELSEWHERE
    example = """
        Without a decomposition the norm is nearly that:

        >>> import jax, jax.numpy as jnp
        >>> matrix = spectral(jax.random.key(0), (256, 1024), exact=False)
        >>> round(float(jnp.linalg.norm(matrix, ord=2)), 1)
        2.0
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        gain: Option,
        exact: bool,
        *axes: Any,
    ) -> Draw:
        """The norm, and the law that has it exactly, or nearly."""
        target = checks.inexact_dtype(cls.name, dtype)
        compute = compute_dtype(target)
        found = matrices_of(cls.name, shape, *axes)
        rows, columns = sides(found, shape)
        norm = math.sqrt(columns / rows)
        if not exact:
            stddev = times(compute, gain, norm / (math.sqrt(rows) + math.sqrt(columns)))
            return draws.normal(shape, target, sharding, stddev=stddev)
        law = SpectralLaw(found.axis, found.batch, is_complex(compute))
        return bind(law, (times(compute, gain, norm),), shape, target, sharding)
