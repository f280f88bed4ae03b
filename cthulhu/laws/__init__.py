"""What initializers draw from: laws as values, which draw and tell their moments.

The classes in `cthulhu.initializers` are the usual way to ask for a law. One of
your own, a subclass of `Law`, serves where there is none yet.
"""

from cthulhu.laws._base import Elementwise, Law, Moments, Section, unit
from cthulhu.laws._complex import ComplexDisk, ComplexNormal
from cthulhu.laws._fixed import Eye, Fill
from cthulhu.laws._normal import Normal, TruncatedNormal
from cthulhu.laws._orthogonal import ConvolutionOrthogonal, DeltaOrthogonal, Orthogonal
from cthulhu.laws._spectral import Spectral
from cthulhu.laws._uniform import Uniform

__all__ = [
    "ComplexDisk",
    "ComplexNormal",
    "ConvolutionOrthogonal",
    "DeltaOrthogonal",
    "Elementwise",
    "Eye",
    "Fill",
    "Law",
    "Moments",
    "Normal",
    "Orthogonal",
    "Section",
    "Spectral",
    "TruncatedNormal",
    "Uniform",
    "unit",
]
