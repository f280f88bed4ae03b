"""Options that are initializers, and what those initializers share that have one."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import jax
import numpy as np
from jax.sharding import NamedSharding

from cthulhu import checks
from cthulhu._types import Option
from cthulhu.initializers import _options as options
from cthulhu.initializers._base import Initializer
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._config import serialize
from cthulhu.initializers._functions import definition_of, unbound
from cthulhu.initializers._lookup import get
from cthulhu.laws import Law
from cthulhu.laws._applied import applied
from cthulhu.laws._composed import OfFunction, times
from cthulhu.laws._normal import REACH
from cthulhu.programs import _draws as draws
from cthulhu.programs._build import Draw, bind, compute_dtype
from cthulhu.typing import DTypeLike

ANY_DTYPE = {
    "dtype": "a type that `init` makes; default: JAX's default float. Types below 32 bits hold "
    "the float32 values, rounded."
}
"""What the docstrings of functions say, where the type is for `init` to refuse."""


def initializer(owner: str, argument: str, value: Any) -> Any:
    """Whatever names an initializer, as an initializer without a seed."""
    function, bound = unbound(value)
    definition = definition_of(function)
    try:
        if definition is not None:
            # As an instance it can be compared, saved, and given other axes.
            found: Any = definition(**bound)
        else:
            found = get(value)
    except (TypeError, ValueError) as error:
        raise checks.in_name_of(f"{owner}: {argument} names no initializer", error) from None
    if found is None:
        raise TypeError(f"{owner}: {argument} names no initializer: got None")
    if getattr(found, "seed", None) is not None:
        raise ValueError(
            f"{owner}: {argument} has a seed of its own, {found.seed!r}, which would not be used: "
            f"the key or the seed of {owner} decides. Leave it out there, and write "
            f"{owner}(…, seed={found.seed!r})"
        )
    return found


def initializers(owner: str, argument: str, value: Any) -> Any:
    """One initializer, or a tuple of them."""
    is_one = isinstance(value, str | Mapping | jax.Array | np.ndarray) or callable(value)
    if is_one or not isinstance(value, Iterable):
        return initializer(owner, argument, value)
    found = tuple(initializer(owner, f"{argument}[{at}]", one) for at, one in enumerate(value))
    if not found:
        raise ValueError(f"{owner}: {argument} must name at least one initializer; got {value!r}")
    return found


def written(value: Any) -> Any:
    """One initializer, or several, as configs."""
    if isinstance(value, tuple):
        return [written(one) for one in value]
    if not isinstance(value, Initializer):
        raise TypeError(
            f"serialize: {value!r} of type {type(value).__name__} cannot be saved: a bare function "
            "has no config. Use an initializer of cthulhu.initializers, or subclass Initializer "
            "and implement get_config"
        )
    return serialize(value)


def required(check: options.Check = initializer) -> dict[str, Any]:
    """What `dataclasses.field(metadata=…)` takes for an option that is an initializer."""
    return options.required(check, write=written)


def draw_of(init: Any, shape: tuple[int, ...], dtype: DTypeLike | None) -> Draw:
    """The draw of any initializer, of which the law and the scalars are taken."""
    if isinstance(init, BuiltIn) and init.runs_its_plan:
        return init.draw(shape, dtype)
    law = OfFunction(init)
    return bind(law, (), shape, checks.dtype(law.name, dtype), None)


def refuse_overflow(dtype: np.dtype[Any], law: Law, shape: Any, scalars: Any) -> None:
    """Refuse a law whose values overflow the type, as far as they are known."""
    if any(map(checks.is_traced, scalars)):
        return
    reach = max(map(abs, law.support(*scalars)))
    if not math.isfinite(reach):
        known = law.moments(shape, *scalars)
        reach = 0.0 if known is None else abs(known.mean) + REACH[4] * known.stddev
    draws.refuse_extent(dtype, np.float64(1), reach)


def scaled(
    init: Any, factor: Option, shape: Any, dtype: DTypeLike | None, sharding: NamedSharding | None
) -> Draw:
    """The values of an initializer times a number: its own program, where its law has a scale."""
    inner = draw_of(init, shape, dtype)
    law, scalars, target = inner.recipe.law, inner.scalars, inner.recipe.dtype
    by = draws.number(compute_dtype(target), factor)
    if law.linear:
        scalars = times(law, scalars, by)
    else:
        law, scalars = applied(law, "times"), (by, *scalars)
    refuse_overflow(target, law, shape, scalars)
    return bind(law, scalars, shape, target, sharding)


class Combinator(BuiltIn):
    """An initializer made of others: of `init`, which is one or several."""

    along_outputs: ClassVar[bool] = False
    """Whether it has an `axis` which is that of the outputs, by default the last."""

    def with_outputs(self, axis: int) -> Self:
        """The same for outputs along another axis, unless it names its own."""
        if not self.along_outputs or self.axis != -1:  # type: ignore[attr-defined]
            return self
        return dataclasses.replace(self, axis=axis)  # type: ignore[type-var]

    @property
    def within(self) -> tuple[Any, ...]:
        """The initializers that it is made of."""
        init = self.init  # type: ignore[attr-defined]
        return init if isinstance(init, tuple) else (init,)

    def parts(self, shape: tuple[int, ...]) -> list[tuple[Any, tuple[int, ...]]]:
        """The initializers within, and the shape that each is asked for."""
        return [(self.init, shape)]  # type: ignore[attr-defined]

    def of_parts(self, inits: Sequence[Any]) -> Self:
        """The same of other initializers."""
        one = inits[0] if len(inits) == 1 else tuple(inits)
        return dataclasses.replace(self, init=one)  # type: ignore[type-var]
