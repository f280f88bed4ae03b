"""The audit of anyone's parameters: do they have the laws that they should?

`check` looks at each parameter once (`_observed`: sums, extremes and a sample, where it lies),
part by part (`_looks`: stacked layers and blocks have laws of their own), and tests what it saw
against the law as a value (`_tests`: exact probabilities; `_drawn`: against draws, where a law
does not tell its distribution). All probabilities together are held against one rate. Of what
fails, `_faults` says what would explain it: another fan, a scale by depth that is missing, a cut.
"""

from cthulhu.audit._audit import Audit, Flag, LeafAudit
from cthulhu.audit._check import check

__all__ = ["Audit", "Flag", "LeafAudit", "check"]
