"""Initializers of which some values are 0."""

import dataclasses
from typing import Any, ClassVar

import jax
import numpy as np
from jax.sharding import NamedSharding

from cthulhu import checks
from cthulhu._types import HostArray
from cthulhu.initializers import _nested as nested
from cthulhu.initializers import _options as options
from cthulhu.initializers._registry import defined
from cthulhu.laws._where import Mask, Where
from cthulhu.programs._build import Draw, bind
from cthulhu.typing import DTypeLike, InitializerLike, MaskLike

TRIANGLES = ("tril", "triu")


def mask_of(owner: str, argument: str, value: Any) -> Any:
    """A mask as a value, the name of one, or a function that makes one of a shape."""
    if isinstance(value, Mask) or callable(value):
        return value
    if isinstance(value, str):
        return checks.choice(owner, argument, value, TRIANGLES)
    if checks.is_traced(value):
        raise TypeError(
            f"{owner}: {argument} must be concrete, since the program is made for it; got a "
            "traced array. Multiply by a mask that is traced"
        )
    return Mask(booleans(owner, argument, value))


def booleans(owner: str, argument: str, value: Any) -> HostArray:
    """An array of nothing but ones and zeros, or of booleans."""
    try:
        array = np.asarray(value)
    except ValueError:  # Lists of different lengths.
        array = np.asarray(None)
    if array.dtype == object or not np.isin(array, (0, 1)).all():
        raise ValueError(
            f"{owner}: {argument} must be an array of booleans, or of ones and zeros; "
            f"got {value!r} of type {type(value).__name__}"
        )
    return array.astype(bool)


def written(value: Any) -> Any:
    """The name of a mask, or ones and zeros in lists: a config holds no code."""
    if callable(value):
        raise TypeError(
            f"serialize: the function {value!r} cannot be saved; pass the mask that it makes"
        )
    return value if isinstance(value, str) else value.tolist()


def of_shape(owner: str, mask: Any, shape: tuple[int, ...]) -> Mask | str:
    """The mask of an array of this shape."""
    if isinstance(mask, str):
        checks.rank(owner, shape, 2, why=f" for mask={mask!r}")
        return mask
    found: Mask = mask
    if callable(mask):
        with jax.ensure_compile_time_eval():  # A function may be written with jax.numpy.
            found = Mask(booleans(owner, "mask", mask(shape)))
    try:
        fits = np.broadcast_shapes(found.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{owner}: a mask of shape {found.shape!r} does not broadcast to weights of shape "
            f"{shape!r}"
        )
    return found


def along(owner: str, shape: tuple[int, ...], axis: int, count: int, *, last: bool) -> Mask:
    """A mask that is false in the first entries of an axis, or in the last."""
    checks.rank(owner, shape, 1, why=" (one of them the axis)")
    (axis,) = checks.axes(owner, "axis", axis, len(shape))
    size = shape[axis]
    if 0 < size < count:
        raise ValueError(
            f"{owner}: count must be at most {size}, the size of axis {axis} of shape {shape!r}; "
            f"got {count}"
        )
    place = np.arange(size)
    kept = place < size - count if last else place >= count
    return Mask(kept.reshape([size if at == axis else 1 for at in range(len(shape))]))


def masked(
    init: Any,
    mask: Mask | str,
    shape: tuple[int, ...],
    dtype: DTypeLike | None,
    sharding: NamedSharding | None,
) -> Draw:
    """The values of an initializer where a mask is true, 0 elsewhere."""
    inner = nested.draw_of(init, shape, dtype)
    law = Where(inner.recipe.law, mask)
    return bind(law, inner.scalars, shape, inner.recipe.dtype, sharding)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class Masked(nested.Combinator):
    """Initializer that keeps the values of another one where a mask is true.

    Law: that of `init` where the mask is true, for the whole shape and with the same
    key; 0 elsewhere. What is masked is not made up for by a larger scale: see `Scaled`.

    Args:
        init: an initializer, or whatever names one, without a seed of its own.
        mask: an array of booleans that broadcasts to the weights; ``"tril"`` or
            ``"triu"``, the lower or upper triangle of the last two axes with the
            diagonal; or a function that makes such an array of a shape, which no
            config can hold.
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type, or `mask` is traced.
        ValueError: `init` or `mask` is unknown, `init` has a seed, or the mask does not
            broadcast to the shape of a call.

    Example:
        >>> Masked("ones", "tril", seed=0)((2, 3)).tolist()
        [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]

    References:
        Germain, Gregor, Murray and Larochelle (2015), "MADE: masked autoencoder for
        distribution estimation", https://arxiv.org/abs/1502.03509
    """

    init: InitializerLike = dataclasses.field(metadata=nested.required())
    mask: MaskLike = dataclasses.field(metadata=options.required(mask_of, write=written))
    seed: int | None = options.seed()

    arguments: ClassVar = nested.ANY_DTYPE
    example = """
        >>> import jax
        >>> masked(jax.random.key(0), (3, 2), init="ones", mask=[True, False]).tolist()
        [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        init: Any,
        mask: Any,
    ) -> Draw:
        """The law of `init` under the mask."""
        return masked(init, of_shape(cls.name, mask, shape), shape, dtype, sharding)


@dataclasses.dataclass(frozen=True, repr=False)
class ZeroEntries(nested.Combinator):
    """What has zeros at one end of an axis."""

    init: InitializerLike = dataclasses.field(metadata=nested.required())
    count: int = options.option(1, checks.count)
    axis: int = options.option(0, options.single_axis)
    seed: int | None = options.seed()

    last: ClassVar[bool]
    """Which end that is."""

    arguments: ClassVar = nested.ANY_DTYPE

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        init: Any,
        count: int,
        axis: int,
    ) -> Draw:
        """The law of `init` under a mask along the axis."""
        mask = along(cls.name, shape, axis, count, last=cls.last)
        return masked(init, mask, shape, dtype, sharding)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class ZeroFirst(ZeroEntries):
    """Initializer that sets the first entries along an axis to 0.

    So begins the table of an embedding whose token 0 is padding.

    Law: that of `init`, for the whole shape and with the same key; 0 in the first
    `count` entries along `axis`.

    Args:
        init: an initializer, or whatever names one, without a seed of its own.
        count: how many entries are 0, at least 1; default 1.
        axis: the axis along which they are counted; default 0.
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: `init` is unknown or has a seed, `count` is out of range, or the
            shape of a call has no such axis, or fewer entries.

    Example:
        >>> ZeroFirst("ones", seed=0)((3, 2)).tolist()
        [[0.0, 0.0], [1.0, 1.0], [1.0, 1.0]]
    """

    last = False
    example = """
        The row of the padding token of torch's embeddings:

        >>> import jax
        >>> table = zero_first(jax.random.key(0), (8, 2), init="random_normal")
        >>> table[0].tolist(), bool((table[1:] != 0).all())
        ([0.0, 0.0], True)
    """


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class ZeroLast(ZeroEntries):
    """Initializer that sets the last entries along an axis to 0.

    So begin layers that have outputs of their own to learn later, as the logits of
    tokens that a vocabulary keeps in reserve.

    Law: that of `init`, for the whole shape and with the same key; 0 in the last
    `count` entries along `axis`.

    Args:
        init: an initializer, or whatever names one, without a seed of its own.
        count: how many entries are 0, at least 1; default 1.
        axis: the axis along which they are counted; default 0.
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: `init` is unknown or has a seed, `count` is out of range, or the
            shape of a call has no such axis, or fewer entries.

    Example:
        >>> ZeroLast("ones", axis=-1, seed=0)((2, 3)).tolist()
        [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]]
    """

    last = True
    example = """
        The last of twelve stacked layers, whose branch adds nothing at first:

        >>> import jax
        >>> stack = zero_last(jax.random.key(0), (12, 4, 4), init="ones")
        >>> stack.sum((1, 2)).tolist()[-3:]
        [16.0, 16.0, 0.0]
    """
