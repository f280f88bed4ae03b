"""What parameters are held against: the plan of rules, of a recipe, or one that was made before."""

from collections.abc import Mapping
from typing import Any

from cthulhu import checks, recipes
from cthulhu._types import PyTree
from cthulhu.params import InitPlan, Plan
from cthulhu.params._beside import as_rules
from cthulhu.params._layout import TreeLayout
from cthulhu.params._leaves import Stacked
from cthulhu.params._plan import rules_plan
from cthulhu.recipes import Naming, Recipe, available
from cthulhu.trees import Path, flatten, frame_of, join
from cthulhu.usage import Usage


def refuse_module(owner: str, params: PyTree) -> None:
    """Refuse a module of PyTorch's, which is no tree."""
    if callable(getattr(params, "state_dict", None)):
        raise TypeError(
            f"{owner}: params must be a tree of arrays; got a {type(params).__name__}, which has a "
            "state dict: pass cthulhu.adapters.torch.tree(model.state_dict())"
        )


def there_of(owner: str, params: PyTree, planned: Plan[PyTree]) -> dict[Path, Any]:
    """The parameters that are there, by their paths: none that the plan does not know."""
    frame = frame_of(params)
    paths, values, _ = flatten(params)
    there = dict(zip(frame.parameters(paths), frame.parameters(values), strict=True))
    unknown = there.keys() - {leaf.path for leaf in planned.leaves}
    if unknown:
        names = ", ".join(repr(join(path)) for path in sorted(unknown)[:10])
        raise ValueError(f"{owner}: the plan knows nothing of {names}")
    return there


def planned_for(
    owner: str,
    params: PyTree,
    rules: Any,
    naming: Naming | str | None,
    stacked: Stacked,
    layout: TreeLayout,
    usage: Usage | None,
    hyperparameters: Mapping[str, Any],
) -> Plan[PyTree]:
    """The plan of the laws that the parameters should have."""
    if isinstance(rules, Plan):
        if rules.saved is not None:
            rules.saved.refuse(owner)
        given = {"stacked": stacked, "layout": layout, "usage": usage, "naming": naming}
        given |= hyperparameters
        for name, value in given.items():
            if value is not None:
                raise TypeError(f"{owner}: {name} belongs to rules or to a recipe, not to a plan")
        return rules
    if isinstance(rules, InitPlan):
        raise TypeError(
            f"{owner}: the plan of an init function knows programs, not laws; pass rules, a "
            "recipe, or the plan of a tree. cthulhu.params.verify compares with what it makes"
        )
    if isinstance(rules, Recipe) or (isinstance(rules, str) and rules in available()):
        rules = recipes.rules(rules, naming=naming, **hyperparameters)
    elif naming is not None or hyperparameters:
        name = "naming" if naming is not None else next(iter(hyperparameters))
        hint = f"{checks.did_you_mean(rules, available())}" if isinstance(rules, str) else ""
        raise TypeError(f"{owner}: {name} belongs to a recipe; got {rules!r}{hint}")
    try:
        known = as_rules(owner, rules, layout, usage)
    except ValueError as error:
        near = checks.did_you_mean(rules, available()) if isinstance(rules, str) else ""
        if not near:
            raise
        raise ValueError(f"{owner}: there is no recipe {rules!r}{near}. {error}") from None
    return rules_plan(owner, params, known, None, stacked)
