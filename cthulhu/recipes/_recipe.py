"""`Recipe`: how a model is initialized, role by role, with the sources."""

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cthulhu import checks, initializers
from cthulhu.initializers import Blocked
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.params._layout import fans_of
from cthulhu.recipes._roles import PACKED, kind_of


class Row(NamedTuple):
    """One line of a recipe.

    Args:
        roles: the roles, or the kinds of roles, that it is for.
        initializer: what they get.
        source: where that is written: a file, or a paper.

    Example:
        >>> from cthulhu import recipes
        >>> recipes.get("gpt2:openai").row("position").initializer
        RandomNormal(stddev=0.01)
    """

    roles: tuple[str, ...]
    initializer: Any
    source: str


def row(roles: str, initializer: Any, source: str) -> Row:
    """A line of a recipe, for roles that are named one after the other."""
    return Row(tuple(roles.split()), initializers.get(initializer), source)


Table = Callable[..., Sequence[Row]]
"""A function of hyperparameters, all of them keywords, to the lines of a recipe."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How the parameters of a model are initialized: an initializer for each role.

    Made by `get`.

    Args:
        name: its name, as ``"gpt2:openai"``.
        rows: its lines, in order; a role has one.
        about: what it is, in a sentence.
        hyperparameters: those that were given, or have a default.

    Example:
        >>> from cthulhu import recipes
        >>> recipe = recipes.get("gpt2", layers=12)
        >>> recipe.initializer("attention.query")
        RandomNormal(stddev=0.02)
    """

    name: str
    rows: tuple[Row, ...]
    about: str
    hyperparameters: Mapping[str, Any] = dataclasses.field(hash=False)

    def row(self, role: str) -> Row | None:
        """The line for a role: its own, that of what is packed in it, or that of its kind.

        Args:
            role: the name of a role.

        Returns:
            A `Row`; `None` if the recipe has none.
        """
        own = {name: one for one in self.rows for name in one.roles}
        if role in own:
            return own[role]
        if role in PACKED:
            parts = [self.row(part) for part in PACKED[role]]
            found = [part for part in parts if part is not None]
            if len(found) == len(parts):
                inits = tuple(part.initializer for part in found)
                return Row((role,), side_by_side(inits), found[0].source)
        return own.get(kind_of(role) or "")

    def initializer(self, role: str) -> Any:
        """What a role gets.

        Args:
            role: the name of a role.

        Returns:
            An initializer.

        Raises:
            KeyError: the recipe does not know the role.
        """
        found = self.row(role)
        if found is None:
            known = [name for one in self.rows for name in one.roles]
            raise KeyError(
                f"the recipe {self.name!r} has no role {role!r}"
                f"{checks.did_you_mean(role, known)}; it has {', '.join(known)}"
            )
        return found.initializer


def side_by_side(inits: tuple[Any, ...]) -> Any:
    """The initializer of a kernel that holds several along its outputs."""
    if len(set(inits)) > 1:
        return Blocked(inits, len(inits))
    shape = (2, 2 * len(inits))
    first = inits[0]
    alike = isinstance(first, BuiltIn) and first.draw(shape, np.float32).recipe.law.identical
    # What counts no fans is the same law for all of it.
    return first if alike and fans_of(first, shape) is None else Blocked(first, len(inits))


class Variant(NamedTuple):
    """A recipe that waits for its hyperparameters."""

    table: Table
    about: str


@dataclasses.dataclass
class Family:
    """The recipes of one architecture, which differ, and the sizes of a model it is known by.

    Args:
        name: its name.
        roles: the roles that such a model has, one after the other.
        sizes: those of a published model.
        shapes: those of roles that have another one here than elsewhere.
        framework: whether these are the layers of a framework, of which any model may be
            made, so that the roles are no names unless they are asked for.
    """

    name: str
    roles: tuple[str, ...]
    sizes: Mapping[str, int]
    shapes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    framework: bool = False
    variants: dict[str, Variant] = dataclasses.field(default_factory=dict)

    def variant(self, *names: str) -> Callable[[Table], Table]:
        """Make a function the recipe of these names; the default of the family has none."""

        def register(table: Table) -> Table:
            about = " ".join((inspect.getdoc(table) or "").split())
            for name in names:
                full = f"{self.name}:{name}" if name else self.name
                assert full not in self.variants, full
                self.variants[full] = Variant(table, about)
            return table

        return register


FAMILIES: dict[str, Family] = {}


def family(
    name: str,
    roles: str,
    *,
    shapes: Mapping[str, str] | None = None,
    framework: bool = False,
    **sizes: int,
) -> Family:
    """A new family."""
    made = FAMILIES[name] = Family(name, tuple(roles.split()), sizes, shapes or {}, framework)
    return made


def changed(rows: Iterable[Row], *others: Row) -> tuple[Row, ...]:
    """The lines of another recipe, of which some roles have other lines, or are new."""
    taken = {role for one in others for role in one.roles}
    kept = (one._replace(roles=tuple(r for r in one.roles if r not in taken)) for one in rows)
    return (*(one for one in kept if one.roles), *others)


def variants() -> Iterator[tuple[str, Family, Variant]]:
    """Every recipe, with its family."""
    for one in FAMILIES.values():
        for name, variant in one.variants.items():
            yield name, one, variant


def made(
    owner: str, name: str, given: Mapping[str, Any], *, sizes: Mapping[str, int] | None = None
) -> Recipe:
    """The recipe of a name, with hyperparameters.

    Args:
        owner: who asks, for the message of an error.
        name: its name.
        given: the hyperparameters.
        sizes: what stands in for those that are not given.

    Returns:
        A `Recipe`.
    """
    known = {full: (one, variant) for full, one, variant in variants()}
    full = checks.choice(owner, "recipe", name, known)
    own, variant = known[full]
    parameters = inspect.signature(variant.table).parameters
    for argument in given:
        if argument not in parameters and argument not in own.sizes:
            raise TypeError(
                f"{owner}: {full!r} has no hyperparameter {argument!r}"
                f"{checks.did_you_mean(argument, [*parameters, *own.sizes])}; it has "
                f"{', '.join(parameters) or 'none'}"
            )
    values = {name: value for name, value in given.items() if name in parameters}
    values = {**{n: size for n, size in (sizes or {}).items() if n in parameters}, **values}
    missing = [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty and name not in values
    ]
    if missing:
        published = ", ".join(f"{name}={own.sizes.get(name, '…')}" for name in missing)
        raise TypeError(
            f"{owner}: the laws of {full!r} depend on {', '.join(missing)}, which shapes do not "
            f"tell; pass {published} if the model is as the published one"
        )
    rows = tuple(variant.table(**values))
    doubled = [role for one in rows for role in one.roles]
    assert len(doubled) == len(set(doubled)), (full, doubled)
    defaults = {n: p.default for n, p in parameters.items() if p.default is not p.empty}
    return Recipe(full, rows, variant.about, {**defaults, **values})
