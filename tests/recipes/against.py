"""What holds between the parameters of a reference and a recipe: the same for every library."""

from typing import Any

import numpy as np
from scipy import stats

from cthulhu.audit import check
from cthulhu.params import Rules, init_params
from cthulhu.trees import flatten, join

RATE = 1e-3  # Of false alarms, for all leaves of a model together; seeds are fixed.


def assert_told(params: Any, sibling: str, flagged: str, **options: Any) -> None:
    """Against another recipe, the parameters of these roles are wrong, and no others."""
    found = check(params, sibling, rate=RATE, **options).leaves
    assert {leaf.role for leaf in found if not leaf.ok} == set(flagged.split())
    assert {leaf.role for leaf in found if leaf.ok}.isdisjoint(flagged.split())


def assert_drawn_alike(params: Any, rules: Rules) -> None:
    """Each parameter that rules make is drawn as that of the reference is."""
    paths, theirs, _ = flatten(params)
    _, ours, _ = flatten(init_params(0, params, rules, stacked={}))
    for path, one, other in zip(paths, ours, theirs, strict=True):
        if np.ptp(np.asarray(one)) == 0:
            np.testing.assert_array_equal(one, other, err_msg=join(path))
        else:
            found = stats.ks_2samp(np.ravel(one), np.ravel(other), method="asymp")
            assert found.pvalue > RATE / len(paths), join(path)
