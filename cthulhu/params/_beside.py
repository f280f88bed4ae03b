"""Rules, and what is said beside them."""

from cthulhu import checks
from cthulhu.params._layout import LAYOUTS, TreeLayout
from cthulhu.params._rules import Rules, RulesLike, one_layout, one_usage
from cthulhu.usage import Usage


def as_rules(owner: str, rules: RulesLike, layout: TreeLayout, usage: Usage | None = None) -> Rules:
    """Rules with the layout and the usage that were said beside them."""
    if layout is not None:
        checks.choice(owner, "layout", layout, LAYOUTS)
    if not isinstance(rules, Rules):
        return Rules(rules, layout=layout, usage=usage)
    known = one_layout(owner, rules, layout)
    return Rules(rules, layout=known, usage=one_usage(owner, rules, usage))
