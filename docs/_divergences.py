"""Where recipes of one family differ, as one table, made when the page is built."""

from cthulhu import recipes
from cthulhu.recipes import Comparison
from cthulhu.recipes._recipe import variants
from cthulhu.views import Grid


class Tables:
    """Tables of HTML, one under the other."""

    def __init__(self, comparisons: list[Comparison]) -> None:
        self.comparisons = comparisons

    def _repr_html_(self) -> str:
        return "\n".join(one._repr_html_() for one in self.comparisons)


def pairs() -> list[tuple[str, str]]:
    """The recipes of each family, each with the first of it."""
    families: dict[str, list[str]] = {}
    for name in recipes.available():
        families.setdefault(name.partition(":")[0], []).append(name)
    across = [("llama:hf", "llama3:torchtitan")]
    return [(first, other) for first, *others in families.values() for other in others] + across


def divergences(*families: str) -> Tables:
    """Where each recipe differs from the first of its family."""
    found = [
        recipes.compare(first, other)
        for first, other in pairs()
        if first.partition(":")[0] in families
    ]
    return Tables([one for one in found if one.differences])


class AllRecipes:
    """Every recipe, what it is, and the implementations whose names it knows."""

    def _repr_html_(self) -> str:
        tables: dict[object, list[str]] = {}
        for name, _, variant in variants():
            tables.setdefault(variant.table, []).append(name)
        rows = []
        for names in tables.values():
            shown = recipes.show(names[0])
            sources = dict.fromkeys(entry.source for entry in shown.entries)
            known = [one for one in recipes.namings(names[0]) if one != "roles"]
            cells = ("\n".join(names), shown.recipe.about, "\n".join(sources), ", ".join(known))
            rows.append(list(cells))
        heads = ["recipe", "what it is", "source", "names of"]
        return Grid(f"{len(rows)} recipes", heads, rows, []).html()
