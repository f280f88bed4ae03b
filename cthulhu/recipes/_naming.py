"""`Naming`: what an implementation calls the parameters of a model."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from cthulhu import checks
from cthulhu.fans import LayoutLike
from cthulhu.fans._layout import layout_of
from cthulhu.initializers import ByDepth, Stacked, TorchBias
from cthulhu.initializers._nested import Combinator
from cthulhu.params import Keep, OrthogonalTo, Rule
from cthulhu.params import _patterns as patterns
from cthulhu.params._rule import Lawless
from cthulhu.recipes._recipe import Recipe
from cthulhu.recipes._roles import kind_of


class Name(NamedTuple):
    r"""What one kind of parameter is called: a line of a naming.

    Args:
        pattern: a regular expression, which must match the whole path. The group
            ``(?P<layer>…)`` is the number of the layer.
        role: what the parameter is.
        layout: which axes are inputs and outputs; default: as the naming says.
        stack: the axis along which layers are stacked; default none.
        kernel: the path of the kernel that the law depends on, from where this parameter
            is, if it is not the one beside it; default: as the naming says.

    Example:
        >>> Name(r"h/(?P<layer>\d+)/attn/c_proj/weight", "attention.out").role
        'attention.out'
    """

    pattern: str
    role: str
    layout: LayoutLike = None
    stack: int | None = None
    kernel: str | None = None


@dataclasses.dataclass(frozen=True)
class Naming:
    r"""What an implementation calls the parameters of a model, and how it lays them.

    Args:
        names: for each kind of parameter, a `Name`, or its fields: a regular expression,
            a role, and a layout where it has one of its own. A path must match the
            patterns of one role alone.
        layout: which axes of kernels are inputs and outputs: ``"in_out"`` (default), as
            in Flax; ``"out_in"``, as in PyTorch; or another that a `cthulhu.params.Rule`
            takes. Tables, biases and scales have none.
        kernel: what the kernel beside a bias is called; default ``"kernel"``.
        default: whether rules have it where no naming is asked for; not one whose paths
            are another's, and lie otherwise.

    Raises:
        ValueError: a regular expression is invalid, or a layout is unknown.
        TypeError: a name is no such tuple.

    Example:
        A model of your own, in three lines:

        >>> from cthulhu import recipes
        >>> mine = Naming([
        ...     ("wte", "embedding"),
        ...     (r"blocks/(?P<layer>\d+)/mlp/w_in", "mlp.in"),
        ...     (r"blocks/(?P<layer>\d+)/mlp/w_out", "mlp.out"),
        ... ])
        >>> rules = recipes.rules("gpt2", naming=mine)
        >>> rules.match([("wte",), ("blocks", "0", "mlp", "w_in")])
        [RandomNormal(stddev=0.02), RandomNormal(stddev=0.02)]
    """

    names: Sequence[Name | tuple[str, str] | tuple[str, str, LayoutLike]]
    layout: LayoutLike = "in_out"
    kernel: str = "kernel"
    default: bool = True

    def __post_init__(self) -> None:
        """Check the names, and bring them to their canonical form."""
        listed: Any = self.names
        if not isinstance(listed, Iterable) or isinstance(listed, str):
            raise TypeError(f"Naming: names must be tuples (pattern, role); got {listed!r}")
        checked = []
        for number, one in enumerate(listed, 1):
            if not isinstance(one, tuple) or not all(isinstance(text, str) for text in one[:2]):
                raise TypeError(
                    f"Naming: name {number} must be a tuple (regular expression, role); got {one!r}"
                )
            name = Name(*one)
            patterns.check(f"Naming: name {number} is", name.pattern)
            if name.layout is not None:
                layout_of(f"Naming: name {number}", "layout", name.layout)
            checked.append(name)
        object.__setattr__(self, "names", tuple(checked))
        layout_of("Naming", "layout", self.layout)

    def rules(self, recipe: Recipe) -> list[Rule]:
        """The rules of a recipe for parameters of these names."""
        return [self._rule(Name(*name), recipe) for name in self.names]

    def _rule(self, name: Name, recipe: Recipe) -> Rule:
        role = name.role
        if kind_of(role) == "statistic" and recipe.row(role) is None:
            return Rule(name.pattern, Keep(), optional=True, role=role)
        found = recipe.row(role)
        if found is None:
            why = f"the recipe {recipe.name!r} has no law for the role {role!r}"
            return Rule(name.pattern, Lawless(why), optional=True, role=role)
        initializer = with_kernel(found.initializer, name.kernel or self.kernel)
        if isinstance(initializer, OrthogonalTo):
            path, turned = name.kernel or initializer.a, (name.layout or self.layout) == "out_in"
            initializer = OrthogonalTo(path, initializer.gain, axis=int(turned))
        if name.stack is not None:
            initializer = stacked(initializer, name.stack)
        layout = name.layout
        if layout is None and kind_of(role) == "kernel":
            layout = self.layout
        return Rule(name.pattern, initializer, layout=layout, optional=True, role=role)


def with_kernel(initializer: Any, kernel: str) -> Any:
    """An initializer whose biases find the kernel beside them."""
    if isinstance(initializer, TorchBias):
        return dataclasses.replace(initializer, kernel=kernel)
    if isinstance(initializer, Combinator):
        return initializer.of_parts([with_kernel(one, kernel) for one in initializer.within])
    return initializer


def stacked(initializer: Any, axis: int) -> Any:
    """An initializer of layers along an axis."""
    if isinstance(initializer, ByDepth):
        return dataclasses.replace(initializer, axis=axis, layers=None)
    return Stacked(initializer, axis)


BATCH_STATISTICS = (
    (r"(.*/)?running_mean", "statistics.mean"),
    (r"(.*/)?running_var", "statistics.variance"),
    (r"(.*/)?num_batches_tracked", "statistics.count"),
)
"""What torch's batch norms call what they count."""

NAMINGS: dict[str, dict[str, Naming]] = {}
"""The namings of each family, by the name of the implementation."""


Modules = Mapping[str, str | tuple[str, LayoutLike]]
"""The role of each module, by a regular expression of its path; with its layout, if it has one."""


def pairs(
    names: Modules,
    *,
    kernel: str = "weight",
    scale: str = "weight",
    stack: int | None = None,
) -> list[Name]:
    """The names of modules that hold a kernel, or a scale, and mostly a bias.

    Args:
        names: the role of the kernel, or of the scale, of each module.
        kernel: what a kernel is called.
        scale: what the scale of a norm is called.
        stack: the axis along which layers are stacked.

    Returns:
        Two names for each.
    """
    found = []
    for path, said in names.items():
        role, layout = (said, None) if isinstance(said, str) else said
        is_scale = kind_of(role) == "scale"
        bias = f"{role.split('.')[0]}.bias" if is_scale else f"{role}.bias"
        found.append(Name(f"{path}/{scale if is_scale else kernel}", role, layout, stack))
        found.append(Name(f"{path}/bias", bias, stack=stack))
    return found


def naming(families: str, implementation: str, *names: Any, **options: Any) -> Naming:
    """A naming of the models of a family, or of several, named one after the other."""
    made = Naming(names, **options)
    for family in families.split():
        known = NAMINGS.setdefault(family, {})
        assert implementation not in known, (family, implementation)
        known[implementation] = made
    return made


def chosen(owner: str, family: str, asked: "Naming | str | None") -> list[Naming]:
    """The namings that may serve: one that is asked for, or all that are a family's defaults."""
    known = NAMINGS.get(family, {})
    if isinstance(asked, Naming):
        return [asked]
    if asked is None:
        return [one for one in known.values() if one.default]
    return [known[checks.choice(owner, "naming", asked, known)]]
