"""The documented initializers: frozen values, each defined once with its function.

Each class has its snake_case name too: ``he_normal is HeNormal``, and the names that
users of JAX and torch type. `__init__.pyi`, which `make stubs` writes, names them all.
"""

from cthulhu.initializers import _registry
from cthulhu.initializers._base import Initializer
from cthulhu.initializers._by_depth import ByDepth
from cthulhu.initializers._config import deserialize, serialize
from cthulhu.initializers._constant import Constant, Ones, Zeros
from cthulhu.initializers._dirac import Dirac
from cthulhu.initializers._gates import Chrono, UniformGate
from cthulhu.initializers._glorot import GlorotNormal, GlorotUniform
from cthulhu.initializers._he import HeNormal, HeUniform
from cthulhu.initializers._heads import LogitPrior
from cthulhu.initializers._hippo import HippoLegS, S4DInv, S4DLin, S4DReal
from cthulhu.initializers._identity import Identity
from cthulhu.initializers._lecun import LecunNormal, LecunUniform
from cthulhu.initializers._log_uniform import InverseSoftplusUniform, LogUniform
from cthulhu.initializers._lookup import get
from cthulhu.initializers._lstm import UnitForgetGate
from cthulhu.initializers._masked import Masked, ZeroFirst, ZeroLast
from cthulhu.initializers._normal import RandomNormal, TruncatedNormal
from cthulhu.initializers._orthogonal import DeltaOrthogonal, Orthogonal
from cthulhu.initializers._positions import SinCos
from cthulhu.initializers._ring import RecurrentGate, RingPhase, RingUniform
from cthulhu.initializers._scaled import Mapped, Scaled
from cthulhu.initializers._siren import Siren
from cthulhu.initializers._sparse import Sparse
from cthulhu.initializers._stacked import Blocked, Stacked
from cthulhu.initializers._stft import STFT
from cthulhu.initializers._torch import Kaiming, TorchLinear, Xavier
from cthulhu.initializers._transformers import SmallInit, WangInit
from cthulhu.initializers._uniform import RandomUniform
from cthulhu.initializers._variance_scaling import VarianceScaling
from cthulhu.initializers._zero import ZerO

globals().update({name: cls for cls in _registry.CLASSES for name in (cls.name, *cls.aliases)})

# As the formatter sorts them: what is in capitals first.
__all__ = [
    name
    for name in sorted(globals(), key=lambda name: (not name.isupper(), name))
    if name[0].isalpha()
]
