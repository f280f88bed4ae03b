"""Orthogonal matrices, and kernels of convolutions made of them."""

import dataclasses
from typing import Any, ClassVar

from jax.sharding import NamedSharding

from cthulhu import checks
from cthulhu._types import Option
from cthulhu.initializers import _options as options
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._registry import defined
from cthulhu.laws import ConvolutionOrthogonal as ConvolutionLaw
from cthulhu.programs import _draws as draws
from cthulhu.programs._build import Draw, bind, compute_dtype
from cthulhu.typing import Axes, DTypeLike

ELSEWHERE = {"scale": "write gain=…", "column_axis": "write axis=…"}


def single_axis(owner: str, argument: str, value: Any) -> int:
    """One axis."""
    try:
        return checks.whole(value)
    except TypeError:
        raise TypeError(f"{owner}: {argument} must be an integer; got {value!r}") from None


def widening_kernel(owner: str, shape: tuple[int, ...]) -> None:
    """Refuse all but kernels of convolutions with at least as many outputs as inputs."""
    checks.rank(owner, shape, 3, 5, why=" (one to three spatial, then input and output)")
    if shape[-1] < shape[-2]:
        raise ValueError(
            f"{owner}: the last dimension (outputs) must be at least the one before it "
            f"(inputs); got {shape[-1]} outputs and {shape[-2]} inputs in {shape!r}"
        )


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class Orthogonal(BuiltIn):
    """Initializer that generates a random orthogonal matrix.

    A shape of more than two dimensions is seen as a matrix whose columns run
    along `axis`, the last by default, and whose rows run along all others; the
    smaller side is orthonormal.

    Law: `gain` times a matrix from the Haar (uniform) distribution over the
    (semi-)orthogonal matrices, or unitary ones for a complex dtype. Each element
    has mean 0 and standard deviation ``gain / sqrt(max(rows, columns))``. float32
    values equal ``jax.jit(jax.nn.initializers.orthogonal(gain, axis))`` bit for
    bit.

    Args:
        gain: the factor; a number or a scalar array; default 1.
        seed: an integer from 0 to 2**32 - 1, or `None`.
        axis: the axis of the columns; default -1.
        batch_axis: axes that stack independent matrices, made by one batched
            decomposition; default none.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range, an axis is named twice, or the
            shape of a call has less than two dimensions beside the batch axes.

    Example:
        >>> import jax.numpy as jnp
        >>> q = Orthogonal(seed=0)((8, 8))
        >>> bool(jnp.allclose(q.T @ q, jnp.eye(8), atol=1e-5))
        True

    References:
        Saxe, McClelland and Ganguli (2014), "Exact solutions to the nonlinear
        dynamics of learning in deep linear neural networks",
        https://arxiv.org/abs/1312.6120. Mezzadri (2007), "How to generate random
        matrices from the classical compact groups",
        https://arxiv.org/abs/math-ph/0609050.
    """

    gain: float = options.number(1.0, checks.finite)
    seed: int | None = options.seed()
    _: dataclasses.KW_ONLY
    axis: int = options.option(-1, single_axis)
    batch_axis: Axes = options.axes(())

    in_keras = True
    legacy = ("OrthogonalInitializer",)
    known_as = ("orthogonal_",)
    elsewhere: ClassVar = ELSEWHERE
    arguments: ClassVar = {
        "shape": "the shape of the result, of rank 2 or more.",
        "out_sharding": "the layout of the result, which changes no value. Every device computes "
        "whole matrices before it keeps its part.",
    }
    example = """
        >>> import jax, jax.numpy as jnp
        >>> q = orthogonal(jax.random.key(0), (64, 16))
        >>> bool(jnp.allclose(q.T @ q, jnp.eye(16), atol=1e-5))
        True
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        gain: Option,
        axis: int,
        batch_axis: Axes,
    ) -> Draw:
        """Check the axes and name the program."""
        owner = cls.name
        target = checks.inexact_dtype(owner, dtype)
        batch = checks.axes(owner, "batch_axis", batch_axis, len(shape))
        checks.rank(owner, shape, 2 + len(batch), why=" (a matrix, and the batch axes)")
        (column,) = checks.axes(owner, "axis", (axis,), len(shape))
        if column in batch:
            raise ValueError(
                f"{owner}: axis {axis} is a batch axis too; got batch_axis={batch_axis!r}"
            )
        return draws.orthogonal(
            shape, target, sharding, gain=gain, axis=column, batch=tuple(sorted(batch))
        )


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class DeltaOrthogonal(BuiltIn):
    """Initializer that generates convolution kernels, orthogonal at their centre.

    Law: zeros, but for the centre of the spatial axes (the lower one if a size
    is even), which holds an `Orthogonal` matrix of the last two dimensions.
    float32 values equal ``jax.jit(jax.nn.initializers.delta_orthogonal(gain,
    axis))`` bit for bit.

    Args:
        gain: the factor; a number or a scalar array; default 1.
        seed: an integer from 0 to 2**32 - 1, or `None`.
        axis: which of the last two dimensions holds the matrix's columns;
            default -1.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range, or the shape of a call is not 3-D
            to 5-D, or has more inputs than outputs.

    Example:
        >>> import numpy as np
        >>> kernel = DeltaOrthogonal(seed=0)((3, 3, 4, 8))
        >>> int(np.count_nonzero(np.any(np.asarray(kernel), axis=(2, 3))))
        1

    References:
        Xiao, Bahri, Sohl-Dickstein, Schoenholz and Pennington (2018), "Dynamical
        isometry and a mean field theory of CNNs", https://arxiv.org/abs/1806.05393
    """

    gain: float = options.number(1.0, checks.finite)
    seed: int | None = options.seed()
    _: dataclasses.KW_ONLY
    axis: int = options.option(-1, single_axis)

    elsewhere: ClassVar = ELSEWHERE
    arguments: ClassVar = {
        "shape": "``(*spatial, inputs, outputs)``, of rank 3, 4 or 5, with at least as many "
        "outputs as inputs."
    }
    example = """
        >>> import jax, numpy as np
        >>> kernel = delta_orthogonal(jax.random.key(0), (3, 3, 4, 8))
        >>> int(np.count_nonzero(np.any(np.asarray(kernel), axis=(2, 3))))
        1
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        gain: Option,
        axis: int,
    ) -> Draw:
        """Check the kernel's shape and name the program."""
        owner = cls.name
        target = checks.inexact_dtype(owner, dtype)
        widening_kernel(owner, shape)
        (column,) = checks.axes(owner, "axis", (axis,), 2)
        return draws.delta_orthogonal(shape, target, sharding, gain=gain, axis=column)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class ConvolutionOrthogonal(BuiltIn):
    """Initializer that generates convolution kernels that keep norms, with all taps in use.

    Law: a convolution with circular padding and stride 1 multiplies the norm of every
    image by `gain`; with zeros for padding, by at most `gain`. The kernel is a product,
    by convolution, of kernels (P, 1 - P) of two taps, one for each axis and each step
    from size 1 to size k, after a Haar-distributed (inputs, outputs) matrix with
    orthonormal rows. Each P projects on a random half of a Haar-distributed basis: on
    each of its vectors with probability one half. Each element has mean 0; the mean
    square of all is ``gain**2 / (outputs * taps)``, that of the elements at tap t of each
    axis ``gain**2 / outputs`` times the probabilities ``comb(k - 1, t) / 2**(k - 1)``: most
    is at the centre. In a complex dtype the matrices are unitary.

    Args:
        gain: the factor; a number or a scalar array; default 1.
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range, or the shape of a call is not 3-D
            to 5-D, has spatial sizes that differ, or more inputs than outputs.

    Example:
        >>> import jax.numpy as jnp
        >>> kernel = ConvolutionOrthogonal(seed=0)((5, 4, 8))
        >>> image = jnp.ones((12, 4))
        >>> taps = jnp.stack([jnp.roll(image, tap, axis=0) for tap in range(5)])
        >>> norm = jnp.linalg.norm(jnp.einsum("tsi,tio->so", taps, kernel))
        >>> bool(jnp.allclose(norm, jnp.linalg.norm(image)))
        True

    References:
        Xiao, Bahri, Sohl-Dickstein, Schoenholz and Pennington (2018), "Dynamical
        isometry and a mean field theory of CNNs", algorithm 2,
        https://arxiv.org/abs/1806.05393
    """

    gain: float = options.number(1.0, checks.finite)
    seed: int | None = options.seed()

    # The classes of TensorFlow 1, one for each rank, and its names of them.
    legacy = tuple(f"ConvolutionOrthogonal{rank}D" for rank in (1, 2, 3))
    known_as = tuple(f"convolutional_orthogonal_{rank}d" for rank in (1, 2, 3))
    elsewhere: ClassVar = {"scale": ELSEWHERE["scale"]}
    arguments: ClassVar = {
        "shape": "``(*spatial, inputs, outputs)``, of rank 3, 4 or 5, with equal spatial sizes "
        "and at least as many outputs as inputs."
    }
    example = """
        A kernel is orthogonal to its own shifts:

        >>> import jax, jax.numpy as jnp
        >>> first, last = convolution_orthogonal(jax.random.key(0), (2, 4, 8))
        >>> bool(jnp.allclose(first @ last.T, 0, atol=1e-6))
        True
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        gain: Option,
    ) -> Draw:
        """Check the kernel's shape and name the program."""
        target = checks.inexact_dtype(cls.name, dtype)
        widening_kernel(cls.name, shape)
        if len(set(shape[:-2])) > 1:
            raise ValueError(
                f"{cls.name}: the spatial sizes must be equal; got {shape[:-2]!r} in {shape!r}. "
                "delta_orthogonal takes any"
            )
        scalars = (draws.number(compute_dtype(target), gain),)
        return bind(ConvolutionLaw(), scalars, shape, target, sharding)
