"""Convolutions before a sub-pixel shuffle."""

import dataclasses
from typing import Any, ClassVar

from jax.sharding import NamedSharding

from cthulhu import checks
from cthulhu.initializers import _nested as nested
from cthulhu.initializers import _options as options
from cthulhu.initializers._registry import defined
from cthulhu.laws._copied import Copied
from cthulhu.programs._build import Draw, bind
from cthulhu.typing import DTypeLike, InitializerLike

ORDERS = ("pixel_shuffle", "depth_to_space")


def known_order(owner: str, argument: str, value: Any) -> str:
    """One of the two orders in which a shuffle takes the channels."""
    return checks.choice(owner, argument, value, ORDERS)


def copying(
    owner: str, shape: tuple[int, ...], scale: int, axis: int
) -> tuple[int, int, tuple[int, ...]]:
    """The copies of each output, the axis of the outputs, and the kernel that is copied."""
    checks.rank(owner, shape, 3, 5, why=" (one to three spatial, then input and output)")
    (axis,) = checks.axes(owner, "axis", axis, len(shape))
    copies = scale ** (len(shape) - 2)
    outputs, rest = divmod(shape[axis], copies)
    if rest:
        raise ValueError(
            f"{owner}: the outputs must be a multiple of scale={scale} to the power of the spatial "
            f"dimensions, {copies}, which the shuffle makes space of; got {shape[axis]}, axis "
            f"{axis} of shape {shape!r}"
        )
    return copies, axis, (*shape[:axis], outputs, *shape[axis + 1 :])


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class ICNR(nested.Combinator):
    """Initializer of a convolution before a sub-pixel shuffle, which starts as a resize.

    A shuffle makes each pixel of ``outputs / scale**n`` channels of `scale` pixels in
    each of the kernel's n spatial dimensions. Random kernels give these a checkerboard;
    equal ones give the nearest-neighbour resize of a convolution.

    Law: the kernel that `init` makes for ``outputs / scale**n`` outputs, with the same
    key, of which every output occurs ``scale**n`` times. Copies are neighbours for
    ``"pixel_shuffle"``, and all outputs follow each other, and then all again, for
    ``"depth_to_space"``. With the wrong order the checkerboard is there.

    Args:
        init: an initializer, or whatever names one, without a seed of its own.
        scale: how many times larger the shuffle makes each spatial dimension.
        order: ``"pixel_shuffle"``, where channel ``c * scale**2 + i * scale + j`` goes to
            pixel (i, j) of channel c: torch's, and the CRD mode of ONNX; or
            ``"depth_to_space"``, where ``(i * scale + j) * channels + c`` does:
            TensorFlow's, and a plain reshape and transpose of channels last.
        axis: the axis of the outputs; default -1.
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range, or the shape of a call is not 3-D to
            5-D, or its outputs are no multiple of ``scale**n``.

    Example:
        >>> kernel = ICNR("he_normal", 2, "pixel_shuffle", seed=0)((3, 3, 8, 12))
        >>> bool((kernel[..., 0:4] == kernel[..., :1]).all())
        True

    References:
        Aitken, Ledig, Theis, Caballero, Wang and Shi (2017), "Checkerboard artifact free
        sub-pixel convolution", https://arxiv.org/abs/1707.02937
    """

    init: InitializerLike = dataclasses.field(metadata=nested.required())
    scale: int = dataclasses.field(metadata=options.required(checks.count))
    order: str = dataclasses.field(metadata=options.required(known_order))
    axis: int = options.option(-1, options.single_axis)
    seed: int | None = options.seed()

    along_outputs = True
    arguments: ClassVar = {
        **nested.ANY_DTYPE,
        "shape": "``(*spatial, inputs, outputs)``, of rank 3, 4 or 5; with `axis`, the outputs "
        "are elsewhere.",
    }
    example = """
        >>> import jax
        >>> options = {"init": "he_normal", "scale": 2, "order": "depth_to_space"}
        >>> kernel = icnr(jax.random.key(0), (3, 3, 8, 12), **options)
        >>> bool((kernel[..., 0:3] == kernel[..., 9:12]).all())
        True
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        init: Any,
        scale: int,
        order: str,
        axis: int,
    ) -> Draw:
        """The law of the smaller kernel, copied."""
        copies, axis, once = copying(cls.name, shape, scale, axis)
        inner = nested.draw_of(init, once, dtype)
        law = Copied(inner.recipe.law, copies, axis, order == "depth_to_space")
        return bind(law, inner.scalars, shape, inner.recipe.dtype, sharding)

    def parts(self, shape: tuple[int, ...]) -> list[tuple[Any, tuple[int, ...]]]:
        """The initializer, and the shape of the kernel that is copied."""
        return [(self.init, copying(self.name, shape, self.scale, self.axis)[2])]
