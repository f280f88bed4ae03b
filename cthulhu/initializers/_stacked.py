"""Initializers of weights that hold several side by side: blocks, and layers."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from jax.sharding import NamedSharding

from cthulhu import checks
from cthulhu.initializers import _nested as nested
from cthulhu.initializers import _options as options
from cthulhu.initializers._registry import defined
from cthulhu.laws._composed import Blocks, Stack, resized, without
from cthulhu.programs._build import Draw, bind
from cthulhu.typing import DTypeLike, InitializerLike, InitializerLikes


def sizes_of(owner: str, argument: str, value: Any) -> int | tuple[int, ...]:
    """A number of blocks, or the size of each."""
    try:
        return checks.count(owner, argument, value)
    except TypeError:
        pass
    try:
        found = tuple(map(checks.whole, value))
    except TypeError:
        raise TypeError(
            f"{owner}: {argument} must be a number of blocks, or the size of each; got {value!r}"
        ) from None
    if not found or min(found) < 0:
        raise ValueError(
            f"{owner}: {argument} must be the sizes of one block or more, each at least 0; "
            f"got {value!r}"
        )
    return found


def split(
    owner: str, shape: tuple[int, ...], axis: int, sizes: int | tuple[int, ...]
) -> tuple[int, tuple[int, ...]]:
    """The axis counted from 0, and the size of each block along it."""
    checks.rank(owner, shape, 1, why=" (one of them the axis)")
    (axis,) = checks.axes(owner, "axis", axis, len(shape))
    whole = shape[axis]
    if isinstance(sizes, int):
        if whole % sizes:
            raise ValueError(
                f"{owner}: axis {axis} of shape {shape!r} has {whole} entries, which are no "
                f"{sizes} blocks of one size; name the size of each, as sizes=(…, …)"
            )
        sizes = (whole // sizes,) * sizes
    if sum(sizes) != whole:
        raise ValueError(
            f"{owner}: the sizes {sizes!r} add up to {sum(sizes)}, and axis {axis} of shape "
            f"{shape!r} has {whole} entries"
        )
    return axis, sizes


def blocks_of(owner: str, init: Any, sizes: tuple[int, ...]) -> tuple[Any, ...]:
    """The initializer of each block."""
    inits: tuple[Any, ...] = init if isinstance(init, tuple) else (init,) * len(sizes)
    if len(inits) != len(sizes):
        raise ValueError(
            f"{owner}: init names {len(inits)} initializers, and there are {len(sizes)} blocks; "
            "name one for each, or one for all"
        )
    return inits


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class Blocked(nested.Combinator):
    """Initializer of weights that hold blocks side by side, each as if it stood alone.

    So lie the query, key and value of packed attention, the gates of recurrent layers,
    and the two halves of a gated MLP: their fans, and what is orthogonal in them, are
    those of a block.

    Law: block i is what ``init(jax.random.fold_in(key, i), shape_of_block)`` makes, bit
    for bit.

    Args:
        init: an initializer, or whatever names one, for all blocks; or a sequence of
            them, one for each. None has a seed of its own.
        sizes: how many blocks of one size there are; or the size of each.
        axis: the axis along which they lie; default -1.
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an `init` is unknown or has a seed; or the sizes do not fit the axis
            of a shape, or the number of initializers.

    Example:
        >>> import numpy as np
        >>> gates = Blocked("orthogonal", 4, seed=0)((8, 32))
        >>> forget = gates[:, 8:16]
        >>> bool(np.allclose(forget.T @ forget, np.eye(8), atol=1e-5))
        True
    """

    init: InitializerLikes = dataclasses.field(metadata=nested.required(nested.initializers))
    sizes: int | tuple[int, ...] = dataclasses.field(metadata=options.required(sizes_of))
    axis: int = options.option(-1, options.single_axis)
    seed: int | None = options.seed()

    along_outputs = True
    arguments: ClassVar = nested.ANY_DTYPE
    example = """
        Biases of gates, of which the second forgets nothing at first:

        >>> import jax
        >>> inits = ["zeros", "ones", "zeros"]
        >>> blocked(jax.random.key(0), (6,), init=inits, sizes=3).tolist()
        [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        init: Any,
        sizes: int | tuple[int, ...],
        axis: int,
    ) -> Draw:
        """The law of each block, side by side."""
        axis, found = split(cls.name, shape, axis, sizes)
        inits = blocks_of(cls.name, init, found)
        shapes = [resized(shape, axis, size) for size in found]
        inner = [nested.draw_of(*one, dtype) for one in zip(inits, shapes, strict=True)]
        law = Blocks(tuple(one.recipe.law for one in inner), found, axis)
        scalars = tuple(scalar for one in inner for scalar in one.scalars)
        return bind(law, scalars, shape, inner[0].recipe.dtype, sharding)

    def parts(self, shape: tuple[int, ...]) -> list[tuple[Any, tuple[int, ...]]]:
        """The initializer of each block, and its shape."""
        axis, sizes = split(self.name, shape, self.axis, self.sizes)
        inits = blocks_of(self.name, self.init, sizes)
        return [(init, resized(shape, axis, size)) for init, size in zip(inits, sizes, strict=True)]

    def of_parts(self, inits: Sequence[Any]) -> Self:
        """The same of other initializers."""
        same = all(init == inits[0] for init in inits)
        return dataclasses.replace(self, init=inits[0] if same else tuple(inits))


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class Stacked(nested.Combinator):
    """Initializer of layers that are stacked along an axis, each as if it stood alone.

    It is what ``init_params(…, stacked=axis)`` does, for weights that are made without
    rules.

    Law: layer i is what ``init(jax.random.fold_in(key, i), shape_of_layer)`` makes, bit
    for bit.

    Args:
        init: the initializer of a layer, or whatever names one, without a seed of its
            own.
        axis: the axis along which the layers are stacked; default 0.
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: `init` is unknown or has a seed, or the shape of a call has no such
            axis.

    Example:
        >>> stack = Stacked("lecun_normal", seed=0)((12, 100, 100))
        >>> round(float(stack.std()), 2)
        0.1
    """

    init: InitializerLike = dataclasses.field(metadata=nested.required())
    axis: int = options.option(0, options.single_axis)
    seed: int | None = options.seed()

    arguments: ClassVar = nested.ANY_DTYPE
    example = """
        >>> import jax, numpy as np
        >>> from cthulhu.functional import orthogonal
        >>> key = jax.random.key(0)
        >>> stack = stacked(key, (2, 4, 4), init="orthogonal")
        >>> bool(np.array_equal(stack[1], orthogonal(jax.random.fold_in(key, 1), (4, 4))))
        True
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        init: Any,
        axis: int,
    ) -> Draw:
        """The law of a layer, for each of them."""
        checks.rank(cls.name, shape, 1, why=" (one of them the axis)")
        (axis,) = checks.axes(cls.name, "axis", axis, len(shape))
        inner = nested.draw_of(init, without(shape, axis), dtype)
        law = Stack(inner.recipe.law, axis, shape[axis])
        return bind(law, inner.scalars, shape, inner.recipe.dtype, sharding)

    def parts(self, shape: tuple[int, ...]) -> list[tuple[Any, tuple[int, ...]]]:
        """The initializer of a layer, and its shape."""
        (axis,) = checks.axes(self.name, "axis", self.axis, len(shape))
        return [(self.init, without(shape, axis))]
