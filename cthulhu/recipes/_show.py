"""Recipes as tables to read, and compared with each other."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cthulhu.laws import Elementwise
from cthulhu.params import Rules, plan
from cthulhu.params._leaves import Leaf
from cthulhu.programs._build import Draw
from cthulhu.recipes._recipe import Recipe
from cthulhu.recipes._rules import by_roles, family_of, recipe_of, tree_of
from cthulhu.views import Grid, View, counted

SAME = 1e-6  # The distance of two distributions that are one but for rounding.

Spread = tuple[float, float]
"""The standard deviations in the first layer and in the last."""


class Entry(NamedTuple):
    """A role as a recipe has it, in a model of the published size.

    Args:
        role: its name.
        initializer: what it gets.
        stddev: the standard deviation in the first layer and in the last; `None` where it
            is not known.
        source: where that is written.

    Example:
        >>> from cthulhu import recipes
        >>> entry = recipes.show("gpt2:openai").entries[1]
        >>> entry.role, entry.stddev, entry.source
        ('position', (0.01, 0.01), 'openai/gpt-2, src/model.py')
    """

    role: str
    initializer: Any
    stddev: Spread | None
    source: str


class Shown(View):
    """A recipe to be read: its lines, with the sources. Made by `show`.

    Args:
        recipe: the recipe.
        entries: a line for each role of the family.

    Example:
        >>> from cthulhu import recipes
        >>> recipes.show("gpt2").entries[0].role
        'embedding'
    """

    def __init__(self, recipe: Recipe, entries: Sequence[Entry]) -> None:
        self.recipe = recipe
        self.entries = tuple(entries)

    def _grid(self) -> Grid:
        lines: dict[tuple[Any, ...], list[str]] = {}
        for one in self.entries:
            lines.setdefault((one.initializer, one.stddev, one.source), []).append(one.role)
        return Grid(
            f"{self.recipe.name}: {self.recipe.about}",
            ["role", "initializer", "stddev", "source"],
            [
                ["\n".join(roles), repr(initializer), spread(stddev), source]
                for (initializer, stddev, source), roles in lines.items()
            ],
            [],
            frozenset({"stddev"}),
        )


def spread(stddev: Spread | None) -> str:
    """A standard deviation, or those of the first layer and of the last."""
    if stddev is None:
        return ""
    first, last = (f"{value:.3g}" for value in stddev)
    return first if first == last else f"{first} … {last}"


def show(recipe: Recipe | str, **hyperparameters: Any) -> Shown:
    """A recipe as a table: role, initializer, standard deviation and source.

    Args:
        recipe: its name, or a `Recipe`.
        **hyperparameters: those that differ from the published model's.

    Returns:
        What prints as a table; its `entries` are the data.

    Raises:
        ValueError: the recipe is unknown.
        TypeError: a hyperparameter is unknown.

    Example:
        >>> from cthulhu import recipes
        >>> "openai/gpt-2, src/model.py" in str(recipes.show("gpt2:openai"))
        True
    """
    sizes = family_of("recipes.show", recipe).sizes
    found = recipe_of("recipes.show", recipe, hyperparameters, sizes=sizes)
    return Shown(found, entries(found, leaves(found, sizes)))


def entries(recipe: Recipe, ends: Mapping[str, tuple[Leaf, Leaf]]) -> list[Entry]:
    """The roles of a recipe in a model of which these are the parameters."""
    found = []
    for role, pair in ends.items():
        row = recipe.row(role)
        assert row is not None
        moments = [None if leaf.draw is None else leaf.draw.moments() for leaf in pair]
        known = [float(f"{one.stddev:.6g}") for one in moments if one is not None]
        stddev = (known[0], known[1]) if len(known) == 2 else None
        found.append(Entry(role, row.initializer, stddev, row.source))
    return found


def leaves(recipe: Recipe, sizes: Mapping[str, int]) -> dict[str, tuple[Leaf, Leaf]]:
    """The parameters of each role in the first layer and in the last of a model."""
    family = family_of("recipes.show", recipe)
    known = [role for role in family.roles if recipe.row(role) is not None]
    tree = tree_of(family, {**family.sizes, **sizes}, known)
    found: dict[str, list[Leaf]] = {role: [] for role in known}
    for leaf in plan(tree, Rules(by_roles(family).rules(recipe)), stacked={}).leaves:
        found[str(leaf.role)].append(leaf)
    for of_role in found.values():
        of_role.sort(key=layer_of)
    return {role: (of_role[0], of_role[-1]) for role, of_role in found.items()}


def layer_of(leaf: Leaf) -> int:
    """The number of the layer of a parameter; 0 outside of layers."""
    return int(leaf.path[1]) if leaf.path[0] == "layers" else 0


class Difference(NamedTuple):
    """A role that two recipes initialize otherwise.

    Args:
        role: its name.
        initializers: what it gets in one and in the other; `None` where it has none.
        stddevs: the standard deviations in the first layer and in the last, of one and
            of the other; `None` where they are not known.
        ratio: how much wider the second is, in the first layer and in the last.

    Example:
        >>> from cthulhu import recipes
        >>> recipes.compare("gpt2:openai", "gpt2").differences[0].ratio
        (2.0, 2.0)
    """

    role: str
    initializers: tuple[Any, Any]
    stddevs: tuple[Spread | None, Spread | None]
    ratio: Spread | None


class Comparison(View):
    """Where two recipes differ. Made by `compare`.

    Args:
        recipes: the two.
        differences: a line for each role that they initialize otherwise.
        same: the roles that they initialize in the same way.

    Example:
        >>> from cthulhu import recipes
        >>> recipes.compare("gpt2", "gpt2:hf").differences
        ()
    """

    def __init__(
        self,
        recipes: tuple[Recipe, Recipe],
        differences: Sequence[Difference],
        same: Sequence[str],
    ) -> None:
        self.recipes = recipes
        self.differences = tuple(differences)
        self.same = tuple(same)

    def _grid(self) -> Grid:
        first, second = (recipe.name for recipe in self.recipes)
        count = counted(len(self.differences), "role differs", "roles differ")
        return Grid(
            f"{first} and {second}: {count}, {len(self.same)} do not",
            ["role", first, second, "stddev", "stddev ", "ratio"],
            [
                [
                    one.role,
                    *("" if init is None else repr(init) for init in one.initializers),
                    *map(spread, one.stddevs),
                    spread(one.ratio),
                ]
                for one in self.differences
            ],
            [],
            frozenset({"stddev", "stddev ", "ratio"}),
        )


def compare(first: Recipe | str, second: Recipe | str) -> Comparison:
    """Where two recipes differ, and by how much in a model of the first one's published size.

    Args:
        first: the name of one, or a `Recipe`.
        second: the other.

    Returns:
        What prints as a table; its `differences` are the data. Laws that are spelled
        otherwise, and are the same for these shapes, do not differ.

    Raises:
        ValueError: a recipe is unknown.

    Example:
        >>> from cthulhu import recipes
        >>> [one.role for one in recipes.compare("gpt2:openai", "gpt2").differences]
        ['position', 'attention.out', 'mlp.out']
    """
    owner = "recipes.compare"
    families = [family_of(owner, recipe) for recipe in (first, second)]
    sizes = {**families[1].sizes, **families[0].sizes}
    pair = (recipe_of(owner, first, {}, sizes=sizes), recipe_of(owner, second, {}, sizes=sizes))
    laws, others = (leaves(recipe, sizes) for recipe in pair)
    one, other = (
        {entry.role: entry for entry in entries(recipe, ends)}
        for recipe, ends in zip(pair, (laws, others), strict=True)
    )
    differences, same = [], []
    for role in [*one, *(role for role in other if role not in one)]:
        if role in one and role in other and alike(laws[role], others[role]):
            same.append(role)
            continue
        a, b = (entry or NOTHING for entry in (one.get(role), other.get(role)))
        inits, stddevs = (a.initializer, b.initializer), (a.stddev, b.stddev)
        differences.append(Difference(role, inits, stddevs, ratio_of(*stddevs)))
    return Comparison(pair, differences, same)


NOTHING = Entry("", None, None, "")


def ratio_of(first: Spread | None, second: Spread | None) -> Spread | None:
    """How much wider the second is; `None` where one is unknown, or 0."""
    if first is None or second is None or not all(first) or not all(second):
        return None
    return (float(f"{second[0] / first[0]:.4g}"), float(f"{second[1] / first[1]:.4g}"))


def alike(laws: tuple[Leaf, Leaf], others: tuple[Leaf, Leaf]) -> bool:
    """Whether two roles have one law, in the first layer and in the last."""
    return all(
        one.shape == other.shape
        and (
            same_draws(one.draw, other.draw)
            if one.draw is not None and other.draw is not None
            else one.initializer == other.initializer
        )
        for one, other in zip(laws, others, strict=True)
    )


def same_draws(first: Draw, second: Draw) -> bool:
    """Whether two draws have one law, or distributions that no model can tell apart."""
    if (first.recipe.law, first.scalars) == (second.recipe.law, second.scalars):
        return True
    law, other = first.recipe.law, second.recipe.law
    moments = first.moments()
    if not isinstance(law, Elementwise) or not isinstance(other, Elementwise) or moments is None:
        return False
    x = moments.mean + moments.stddev * np.linspace(-6, 6, 241)
    try:
        one = np.asarray(law.distribution(x, *first.scalars))
        two = np.asarray(other.distribution(x, *second.scalars))
    except NotImplementedError:
        return False
    return float(np.abs(one - two).max()) < SAME
