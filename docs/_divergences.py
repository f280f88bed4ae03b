"""Where recipes of one family differ, as one table, made when the page is built."""

from cthulhu import recipes
from cthulhu.recipes import Comparison
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
    return [(first, other) for first, *others in families.values() for other in others]


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
        rows = []
        for name in recipes.available():
            shown = recipes.show(name)
            sources = dict.fromkeys(entry.source for entry in shown.entries)
            known = [one for one in recipes.namings(name) if one != "roles"]
            rows.append([name, shown.recipe.about, "; ".join(sources), ", ".join(known)])
        names = ["recipe", "what it is", "source", "names of"]
        return Grid(f"{len(rows)} recipes", names, rows, []).html()
