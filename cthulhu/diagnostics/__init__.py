"""Seeing parameters: what is in them, beside what should be, as numbers and as pictures.

`report` looks at each parameter once, where it lies (`cthulhu.audit`'s sums, extremes and sample),
and holds it against the law that its rules give it, if there are rules (`_outlook`: moments, and
how far chance moves them). What it says is data (`_leaf`, `_data`), which `report(…).plot()` draws;
`histogram` draws one array, or what one initializer makes, with the law's density over it.

`signal` runs a model once forward and once back, and measures what arrives at each layer and each
residual stream (`cthulhu.usage`'s walk finds them, and its taps look at them). On the way back, a
tap is given a token, whose gradient tells of the gradient that passes (`_measuring`). `compare`
runs the same program with what several initializers make. `_depth` has the data, of rows (`_layer`)
that `_lines` draws.

`spectrum` takes any function: `_asked` makes it one of lists of arrays, `_jacobian` makes products
with its derivative, there and back, and of these the matrix if it is small; else `_lanczos` finds
the largest singular values by products alone. `_singular` has the data, `_spectra` draws it.
"""

from cthulhu.diagnostics._compare import compare
from cthulhu.diagnostics._data import TreeReport
from cthulhu.diagnostics._depth import Comparison, Signal
from cthulhu.diagnostics._histogram import histogram
from cthulhu.diagnostics._layer import SignalRow
from cthulhu.diagnostics._leaf import Histogram, LeafReport
from cthulhu.diagnostics._report import report
from cthulhu.diagnostics._signal import signal
from cthulhu.diagnostics._singular import Spectrum, SpectrumRow
from cthulhu.diagnostics._spectrum import spectrum

__all__ = [
    "Comparison",
    "Histogram",
    "LeafReport",
    "Signal",
    "SignalRow",
    "Spectrum",
    "SpectrumRow",
    "TreeReport",
    "compare",
    "histogram",
    "report",
    "signal",
    "spectrum",
]
