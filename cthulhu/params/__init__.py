"""Whole models: initialized by their own init functions, or by rules on paths."""

from cthulhu.params.initplan import InitPlan
from cthulhu.params.plan import Plan, init_params, plan
from cthulhu.params.rows import LeafPlan
from cthulhu.params.rules import Keep, Rules
from cthulhu.params.trace import count_programs, fast_init
from cthulhu.params.verify import Mismatch, Report, verify

__all__ = [
    "InitPlan",
    "Keep",
    "LeafPlan",
    "Mismatch",
    "Plan",
    "Report",
    "Rules",
    "count_programs",
    "fast_init",
    "init_params",
    "plan",
    "verify",
]
