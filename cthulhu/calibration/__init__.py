"""Calibrating parameters: outputs of a chosen size at every layer, measured on a batch.

`calibrate` runs a function with the taps of `cthulhu.usage` at the output of each layer: what is
measured there corrects the output at once, so that what follows sees corrected values, and then
the parameter (`_passes`). Passes are repeated until one needs no correction: the second, unless a
bias or a nonlinearity stands between a parameter and its output, or a parameter is used twice.

`_layers` finds the layers, with the targets that `_targets` reads; `_slices` tells the parts of a
parameter that a loop goes over, or that are taken by number, from steps that share it;
`_orthonormal` is the start of the paper; `_data` has what was measured, and the factors, which can
be saved and applied again.
"""

from cthulhu.calibration._calibrate import calibrate
from cthulhu.calibration._data import CalibratedLayer, Calibration

__all__ = ["CalibratedLayer", "Calibration", "calibrate"]
