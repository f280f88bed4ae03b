"""Whole models: initialized by their own init functions, or by rules on paths."""

from cthulhu.params._fill import fill
from cthulhu.params._initplan import InitPlan
from cthulhu.params._orthogonal_to import OrthogonalTo
from cthulhu.params._plan import Plan, init_params, plan
from cthulhu.params._reinit import reinit
from cthulhu.params._report import Mismatch, Report
from cthulhu.params._rows import LeafPlan
from cthulhu.params._rule import Keep, Rule
from cthulhu.params._rules import Rules
from cthulhu.params._siblings import FromSiblings, RingNormalizer, Tied, WeightNormScale
from cthulhu.params._verify import verify
from cthulhu.tracing import count_programs, fast_init

__all__ = [
    "FromSiblings",
    "InitPlan",
    "Keep",
    "LeafPlan",
    "Mismatch",
    "OrthogonalTo",
    "Plan",
    "Report",
    "RingNormalizer",
    "Rule",
    "Rules",
    "Tied",
    "WeightNormScale",
    "count_programs",
    "fast_init",
    "fill",
    "init_params",
    "plan",
    "reinit",
    "verify",
]
