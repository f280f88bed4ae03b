"""What a row of `tests/cases/` tells of an initializer."""

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

from cthulhu import initializers
from tests.refusals import Wrong

__all__ = ["Case", "Shape", "Traced", "by_id", "variant"]

Shape = tuple[int, ...]
OfShape = Callable[[Shape], Any]


class Traced(NamedTuple):
    """Values of an option that may be traced."""

    values: tuple[float, ...]
    # Whether traced values give the bits of Python numbers. erf, and a division by n, are
    # computed on the host where the number is known.
    exact: bool = True


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """What there is to know of one initializer, from sources other than its code."""

    name: str
    cls: type[initializers.Initializer]
    function: Callable[..., jax.Array]
    # The class's, in order; what stands after the star is this library's own. The function's
    # options are the same without the seed.
    arguments: str
    source: str
    mean: OfShape
    std: OfShape
    support: OfShape
    # The law of each element, where the elements are independent.
    distribution: OfShape | None = None
    # JAX's own `(key, shape, dtype) -> Array`, whose jitted float32 values ours are.
    reference: Callable[..., jax.Array] | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    # The names that users of JAX and torch type.
    aliases: tuple[str, ...] = ()
    # Whether Keras has a class of this name, with the arguments before the star.
    in_keras: bool = True
    # Of each option that may be traced.
    traced: Mapping[str, Traced] = dataclasses.field(default_factory=dict)
    # What it refuses of options, where no check of `tests/refusals.py` is the reason.
    refuses: tuple[Wrong, ...] = ()
    draws: bool = True
    # What it draws for the key of `tests/test_golden.py`, in hexadecimal digits.
    golden: str = ""
    # Whether it draws complex numbers too.
    has_complex: bool = True
    # Whether the shape settles its scale, by the fans.
    follows_fans: bool = False
    # Whether it is made of normal numbers, whose last bits JAX lets depend on the shape.
    gaussian: bool = False
    # Whether it takes logarithms or exponentials, whose last bits are those of JAX's version.
    transcendental: bool = False
    # Of elements that depend on each other: whether the sum of their squares is the key's.
    sum_varies: bool = False
    shape: Shape = (40, 24)
    # A shape for its law, where the usual one does not suit its axes.
    large: Shape | None = None
    ranks: range = range(6)
    # What its last dimension must be a multiple of.
    multiple: int = 1
    # Whether it makes kernels with fewer outputs than inputs.
    narrows: bool = True
    # Whether all spatial sizes of its kernels are equal.
    cubic: bool = False
    # Whether it is compared with all of JAX's program, which takes seconds to compile in three
    # and more dimensions.
    in_full: bool = False
    # Whether a layout of devices changes no bit; the sums of a product have an order.
    exact_in_layouts: bool = True
    # Whether rules must tell it something, unless an option does.
    asks_rules: bool = False
    # Whether it stands for its like where a test is slow.
    witness: bool = True
    label: str = ""

    @property
    def id(self) -> str:
        return f"{self.name}-{self.label}" if self.label else self.name

    @property
    def makes_matrices(self) -> bool:
        """Whether it makes matrices, or kernels of convolutions alone."""
        return 2 in self.ranks

    @functools.cached_property
    def required(self) -> dict[str, Any]:
        """Of this row's options, those that have no default."""
        written = (one for one in self.arguments.split(", ") if one not in ("", "*"))
        return {name: self.options[name] for name in written if "=" not in name}

    @property
    def needs_options(self) -> bool:
        """Whether a name alone makes no initializer."""
        return bool(self.required) or self.asks_rules

    def ending(self, rows: int, columns: int) -> Shape:
        """A shape with these last dimensions, or a few more: of a matrix where it makes them."""
        columns += -columns % self.multiple
        return (rows, columns) if self.makes_matrices else (3, rows, columns)

    @property
    def names_axes(self) -> bool:
        """Whether an option of this row names an axis."""
        return any(name.endswith("axis") for name in self.options)

    @property
    def config(self) -> dict[str, Any]:
        """The config of a default instance, in full: what Keras writes, argument for argument."""
        written = self.arguments.partition("*")[0]
        for name, value in self.required.items():
            written = re.sub(rf"\b{name}\b", f"{name}={value!r}", written)
        told: dict[str, Any] = eval(f"dict({written})", vars(initializers) | {"dict": dict})
        if "init" in told:
            told["init"] = initializers.serialize(initializers.get(told["init"]))
        axes = ("input_axes", "output_axes") if "in_axis" in self.arguments else ()
        return {**told, **dict.fromkeys(axes)}

    def init(self, key: jax.Array | None, shape: Shape | None = None, *args: Any) -> jax.Array:
        """The pure function with this row's options."""
        return self.function(key, self.shape if shape is None else shape, *args, **self.options)

    @property
    def given(self) -> dict[str, Any]:
        """The fewest options with which a call makes an array."""
        return dict(self.options) if self.asks_rules else self.required

    def plain(self) -> Any:
        """The class with the fewest options with which it makes an array."""
        return self.cls(**self.given)

    def default(self) -> Any:
        """The class with nothing but what must be given."""
        return self.cls(**self.required)

    def instance(self, **kwargs: Any) -> Any:
        """The class with this row's options."""
        return self.cls(**self.options, **kwargs)

    @functools.cached_property
    def jitted_reference(self) -> Callable[..., jax.Array]:
        assert self.reference is not None
        return jax.jit(self.reference, static_argnums=(1, 2))


def by_id(case: Any) -> str | None:
    """The name of a row among pytest's parameters."""
    return case.id if isinstance(case, Case) else None


def variant(
    cases: tuple[Case, ...], name: str, label: str, options: Mapping[str, Any], **changes: Any
) -> Case:
    """The row of `name` with other options, and what they change."""
    (row,) = (case for case in cases if case.name == name)
    changes = {
        "distribution": None,
        "reference": None,
        "in_full": False,
        "witness": False,
        **changes,
    }
    return dataclasses.replace(row, label=label, options=options, **changes)
