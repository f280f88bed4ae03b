"""What a recipe becomes: rules for a model, and the shapes of one that is named by roles."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from cthulhu import checks
from cthulhu._types import PyTree
from cthulhu.params import Rules
from cthulhu.recipes._naming import NAMINGS, Naming, chosen
from cthulhu.recipes._recipe import FAMILIES, Family, Recipe, made, variants
from cthulhu.recipes._roles import is_by_layer, path_of, shape_of
from cthulhu.trees import join
from cthulhu.typing import DTypeLike

BY_ROLES = "roles"  # The naming of a tree that is named by the roles themselves.


def family_of(owner: str, recipe: Recipe | str) -> Family:
    """The family of a recipe."""
    name = recipe.name if isinstance(recipe, Recipe) else recipe
    if not isinstance(name, str):
        raise TypeError(
            f"{owner}: recipe must be a name, as 'gpt2', or what recipes.get returns; got {name!r}"
        )
    checks.choice(owner, "recipe", name, [full for full, _, _ in variants()])
    return FAMILIES[name.partition(":")[0]]


def recipe_of(
    owner: str,
    recipe: Recipe | str,
    given: Mapping[str, Any],
    *,
    sizes: Mapping[str, int] | None = None,
) -> Recipe:
    """The recipe that is meant; `sizes` stand in for hyperparameters that are not given."""
    if isinstance(recipe, Recipe):
        if given:
            raise TypeError(
                f"{owner}: {recipe.name!r} has its hyperparameters; pass its name with others, "
                f"or recipes.get({recipe.name!r}, …)"
            )
        return recipe
    family_of(owner, recipe)
    return made(owner, recipe, given, sizes=sizes)


def by_roles(family: Family) -> Naming:
    """The naming of a tree that is named by the roles of a family."""
    names = []
    for role in family.roles:
        layer = r"layers/(?P<layer>\d+)/" if is_by_layer(role) else ""
        names.append((layer + re.escape(join(path_of(role))), role))
    return Naming(tuple(names))


def rules(
    recipe: Recipe | str, *, naming: Naming | str | None = None, **hyperparameters: Any
) -> Rules:
    """The rules of a recipe for the parameters of a model.

    Args:
        recipe: its name, or a `Recipe`.
        naming: what the model's parameters are called: the name of an implementation, as
            `namings` lists them, or a `Naming` of your own. Default: any of the family's,
            but those that call other layouts by the same names. The roles themselves are
            names too, as in what `shapes` makes; for the layers of a framework, of which
            any model may be made, only with ``"roles"``.
        **hyperparameters: what the recipe's laws depend on and shapes do not tell. The
            number of layers is told by the paths, if it is not given.

    Returns:
        `cthulhu.params.Rules`, for `init_params`, `plan`, `check`, `fill`. Parameters that
        no name matches, that have two roles, or for whose role there is no law, are
        errors when they meet a model; names that match nothing are none.

    Raises:
        ValueError: the recipe, or the naming, is unknown.
        TypeError: a hyperparameter is unknown, or is needed and not given.

    Example:
        >>> from cthulhu.params import init_params
        >>> from cthulhu.recipes import rules, shapes
        >>> tree = shapes("gpt2", layers=2, width=64, hidden=256, heads=4, vocabulary=100)
        >>> params = init_params(0, tree, rules("gpt2"))
        >>> kernels = params["layers"]["0"]["mlp"]
        >>> float(kernels["in"]["kernel"].std() / kernels["out"]["kernel"].std()).__round__(1)
        2.0
    """
    owner = "recipes.rules"
    found = recipe_of(owner, recipe, hyperparameters)
    family = family_of(owner, found)
    by_default = naming is None and not family.framework
    every = [by_roles(family)] if by_default or naming == BY_ROLES else []
    if naming != BY_ROLES:
        every += chosen(owner, family.name, naming)
    return Rules([rule for one in every for rule in one.rules(found)])


def shapes(recipe: Recipe | str, *, dtype: DTypeLike = jnp.float32, **sizes: int) -> PyTree:
    """A tree of shapes that is named by the roles of a recipe.

    Args:
        recipe: its name, or a `Recipe`.
        dtype: the type of the parameters.
        **sizes: those that differ from the published model's.

    Returns:
        Nested dicts of `jax.ShapeDtypeStruct`: kernels lie (…, inputs, outputs).

    Raises:
        ValueError: the recipe is unknown.
        TypeError: a size is unknown.

    Example:
        >>> from cthulhu import recipes
        >>> tree = recipes.shapes("gpt2", layers=1)
        >>> tree["layers"]["0"]["mlp"]["in"]["kernel"].shape
        (768, 3072)
    """
    owner = "recipes.shapes"
    family = family_of(owner, recipe)
    for size in sizes:
        if size not in family.sizes:
            raise TypeError(
                f"{owner}: {family.name!r} has no size {size!r}"
                f"{checks.did_you_mean(size, family.sizes)}; it has {', '.join(family.sizes)}"
            )
    return tree_of(family, {**family.sizes, **sizes}, family.roles, dtype)


def tree_of(
    family: Family, sizes: Mapping[str, int], roles: Iterable[str], dtype: DTypeLike = jnp.float32
) -> dict[str, Any]:
    """The tree of some roles of a family, for sizes."""
    tree: dict[str, Any] = {}
    for role in roles:
        spec = jax.ShapeDtypeStruct(shape_of(role, sizes, family.shapes), jnp.dtype(dtype))
        layers = range(sizes.get("layers", 1)) if is_by_layer(role) else [None]
        for layer in layers:
            above = [] if layer is None else ["layers", str(layer)]
            *within, last = [*above, *path_of(role)]
            node: dict[str, Any] = tree
            for step in within:
                node = node.setdefault(step, {})
            node[last] = spec
    return tree


def get(recipe: str, **hyperparameters: Any) -> Recipe:
    """The recipe of a name.

    Args:
        recipe: its name, as ``"gpt2:openai"``; `available` lists them.
        **hyperparameters: what its laws depend on, and shapes do not tell.

    Returns:
        A `Recipe`.

    Raises:
        ValueError: the name is unknown.
        TypeError: a hyperparameter is unknown, or is needed and not given.

    Example:
        >>> from cthulhu import recipes
        >>> recipes.get("gpt2", stddev=0.01).initializer("embedding")
        RandomNormal(stddev=0.01)
    """
    return recipe_of("recipes.get", recipe, hyperparameters)


def available() -> list[str]:
    """The names of all recipes.

    Returns:
        A list of names, family by family.

    Example:
        >>> from cthulhu import recipes
        >>> {"gpt2", "gpt2:openai"} <= set(recipes.available())
        True
    """
    return [name for name, _, _ in variants()]


def namings(recipe: Recipe | str) -> dict[str, Naming]:
    """The namings that a recipe may meet, by the name of the implementation.

    Args:
        recipe: its name, or a `Recipe`; all of a family have the same.

    Returns:
        A `Naming` for each implementation.

    Raises:
        ValueError: the recipe is unknown.

    Example:
        >>> from cthulhu import recipes
        >>> "transformers" in recipes.namings("gpt2:openai")
        True
    """
    family = family_of("recipes.namings", recipe)
    return {BY_ROLES: by_roles(family), **NAMINGS.get(family.name, {})}
