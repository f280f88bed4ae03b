"""A scale that depends on the layer, and on how many there are."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax
from jax.sharding import NamedSharding

from cthulhu import checks
from cthulhu.initializers import _nested as nested
from cthulhu.initializers import _options as options
from cthulhu.initializers._nested import refuse_overflow, scaled
from cthulhu.initializers._registry import defined
from cthulhu.laws._composed import Stack, without
from cthulhu.programs._build import Draw, bind
from cthulhu.typing import DepthFactor, DTypeLike, InitializerLike

DEPTH: Mapping[str, Callable[[int, int], float]] = {
    "1/sqrt(2 * L)": lambda layer, layers: 1 / math.sqrt(2 * layers),
    "1/sqrt(2 * (l + 1))": lambda layer, layers: 1 / math.sqrt(2 * (layer + 1)),
    "1/sqrt(L)": lambda layer, layers: 1 / math.sqrt(layers),
    "1/L": lambda layer, layers: 1 / layers,
    "(8 * L)**-0.25": lambda layer, layers: (8 * layers) ** -0.25,
}
"""The factors that have a name: of the layer l, counted from 0, of L layers."""


def depth_factor(owner: str, argument: str, value: Any) -> Any:
    """The name of a factor, or a function of the layer and of how many there are."""
    if callable(value):
        return value
    if isinstance(value, str):
        bare = value.replace(" ", "")
        value = next((name for name in DEPTH if name.replace(" ", "") == bare), value)
    return checks.choice(owner, argument, value, tuple(DEPTH))


def factor_at(owner: str, factor: Any, layer: int, layers: int) -> float:
    """The factor of a layer."""
    with jax.ensure_compile_time_eval():  # A function may be written with jax.numpy.
        value = (DEPTH[factor] if isinstance(factor, str) else factor)(layer, layers)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(
            f"{owner}: factor must give a finite number for each layer; it gave {value!r} for "
            f"layer {layer} of {layers}"
        )
    return number


def axis_or_none(owner: str, argument: str, value: Any) -> int | None:
    """An axis, or none."""
    return None if value is None else options.single_axis(owner, argument, value)


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class ByDepth(nested.Combinator):
    """Initializer that scales another one by the depth of the layer.

    It knows the layer in one of three ways: `axis` stacks all layers in one array, of
    which each gets its own factor in one draw; `layer` and `layers` say it; and in
    `cthulhu.params.Rules` the group ``(?P<layer>…)`` of the rule's regular expression
    reads it off the path, and the paths tell how many there are.

    Law: layer l of L is `Scaled(init, factor(l, L))`, l counted from 0. Along an axis,
    its key is ``jax.random.fold_in(key, l)``, as in `Stacked`.

    Args:
        init: the initializer of a layer, or whatever names one, without a seed of its
            own.
        factor: ``"1/sqrt(2 * L)"``, for L blocks with two residual branches each
            (GPT-2); ``"1/sqrt(2 * (l + 1))"``, the same by layer; ``"1/sqrt(L)"``;
            ``"1/L"``; ``"(8 * L)**-0.25"`` (DeepNorm); or a function ``(l, L)``, which
            no config can hold.
        axis: the axis along which the layers are stacked; default none.
        layer: which layer this is, counted from 0; default unknown.
        layers: how many there are; default: as many as the axis has, or the paths.
        seed: an integer from 0 to 2**32 - 1, or `None`.

    Raises:
        TypeError: an argument is of the wrong type, or the dtype is of integers.
        ValueError: `init` or `factor` is unknown, `init` has a seed, nothing tells the
            layer, or a factor is not finite.

    Example:
        >>> stack = ByDepth("ones", lambda l, L: l / L, axis=0, seed=0)((4, 1))
        >>> stack[:, 0].tolist()
        [0.0, 0.25, 0.5, 0.75]

    References:
        Radford, Wu, Child, Luan, Amodei and Sutskever (2019), "Language models are
        unsupervised multitask learners". Wang, Ma, Dong, Huang, Zhang and Wei (2022),
        "DeepNet: scaling transformers to 1,000 layers",
        https://arxiv.org/abs/2203.00555
    """

    init: InitializerLike = dataclasses.field(metadata=nested.required())
    factor: DepthFactor = dataclasses.field(
        metadata=options.required(depth_factor, write=options.name_of(DEPTH))
    )
    _: dataclasses.KW_ONLY
    axis: int | None = options.option(None, axis_or_none)
    layer: int | None = options.option(None, checks.whole_or_none)
    layers: int | None = options.option(None, checks.whole_or_none)
    seed: int | None = options.seed()

    arguments: ClassVar = nested.ANY_DTYPE
    example = """
        >>> import jax
        >>> at = {"layer": 0, "layers": 8}
        >>> by_depth(jax.random.key(0), (2,), init="ones", factor="1/sqrt(2 * L)", **at).tolist()
        [0.25, 0.25]
    """

    @classmethod
    def agree(cls, owner: str, given: Mapping[str, Any]) -> None:
        """Refuse more than one way to know the layer, and half a way."""
        axis, layer, layers = given["axis"], given["layer"], given["layers"]
        if axis is not None and (layer, layers) != (None, None):
            raise ValueError(
                f"{owner}: axis stacks all layers, and layer and layers name one; got "
                f"axis={axis}, layer={layer} and layers={layers}"
            )
        if layer is not None and layers is None:
            raise ValueError(f"{owner}: layer={layer} needs layers, how many there are")
        if layer is not None and layer >= layers:
            raise ValueError(
                f"{owner}: layer must be less than layers, for it is counted from 0; got "
                f"layer={layer} and layers={layers}"
            )

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        init: Any,
        factor: Any,
        axis: int | None,
        layer: int | None,
        layers: int | None,
    ) -> Draw:
        """The law of one layer, or of all of them, each with its factor."""
        checks.inexact_dtype(cls.name, dtype)
        if layer is not None and layers is not None:
            by = factor_at(cls.name, factor, layer, layers)
            return scaled(init, by, shape, dtype, sharding)
        if axis is None:
            raise ValueError(
                f"{cls.name}: which layer is this? Name the axis along which layers are "
                "stacked, axis=0; or say layer=… and layers=…; or use it in Rules, with the "
                r"layer as a group of the rule's regular expression: '.*/layers_(?P<layer>\d+)/.*'"
            )
        checks.rank(cls.name, shape, 1, why=" (one of them the axis)")
        (axis,) = checks.axes(cls.name, "axis", axis, len(shape))
        inner = nested.draw_of(init, without(shape, axis), dtype)
        count, target = shape[axis], inner.recipe.dtype
        factors = tuple(factor_at(cls.name, factor, at, count) for at in range(count))
        law = Stack(inner.recipe.law, axis, count, factors)
        refuse_overflow(target, law, shape, inner.scalars)
        return bind(law, inner.scalars, shape, target, sharding)

    def parts(self, shape: tuple[int, ...]) -> list[tuple[Any, tuple[int, ...]]]:
        """The initializer of a layer, and its shape."""
        if self.axis is None:
            return [(self.init, shape)]
        (axis,) = checks.axes(self.name, "axis", self.axis, len(shape))
        return [(self.init, without(shape, axis))]


def asks_for_layer(init: Any) -> bool:
    """Whether an initializer, or one within, does not know which layer it makes."""
    if not isinstance(init, nested.Combinator):
        return False
    if isinstance(init, ByDepth) and init.axis is None and init.layer is None:
        return True
    return any(map(asks_for_layer, init.within))


def at_layer(init: Any, layer: int, layers: int) -> Any:
    """An initializer that knows which layer it makes, of how many if it was not told."""
    if not asks_for_layer(init):
        return init
    init = init.of_parts([at_layer(one, layer, layers) for one in init.within])
    if isinstance(init, ByDepth) and init.axis is None and init.layer is None:
        init = dataclasses.replace(init, layer=layer, layers=init.layers or layers)
    return init
