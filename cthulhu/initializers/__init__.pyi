"""The documented initializers: frozen values, each defined once with its function.

Each class has its snake_case name too: ``he_normal is HeNormal``, and the names that
users of JAX and torch type. `__init__.pyi`, which `make stubs` writes, names them all.
"""

# Written by `make stubs` from the classes of cthulhu.initializers: edit those.

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

blocked = Blocked
by_depth = ByDepth
chrono = Chrono
constant = Constant
delta_orthogonal = DeltaOrthogonal
dirac = Dirac
glorot_normal = GlorotNormal
glorot_uniform = GlorotUniform
he_normal = HeNormal
he_uniform = HeUniform
hippo_leg_s = HippoLegS
identity = Identity
inverse_softplus_uniform = InverseSoftplusUniform
kaiming = Kaiming
kaiming_normal = HeNormal
kaiming_uniform = HeUniform
lecun_normal = LecunNormal
lecun_uniform = LecunUniform
log_uniform = LogUniform
logit_prior = LogitPrior
mapped = Mapped
masked = Masked
normal = RandomNormal
ones = Ones
orthogonal = Orthogonal
random_normal = RandomNormal
random_uniform = RandomUniform
recurrent_gate = RecurrentGate
ring_phase = RingPhase
ring_uniform = RingUniform
s4d_inv = S4DInv
s4d_lin = S4DLin
s4d_real = S4DReal
scaled = Scaled
sin_cos = SinCos
siren = Siren
small_init = SmallInit
sparse = Sparse
stacked = Stacked
stft = STFT
torch_linear = TorchLinear
truncated_normal = TruncatedNormal
uniform = RandomUniform
uniform_gate = UniformGate
unit_forget_gate = UnitForgetGate
variance_scaling = VarianceScaling
wang_init = WangInit
xavier = Xavier
xavier_normal = GlorotNormal
xavier_uniform = GlorotUniform
zer_o = ZerO
zero_first = ZeroFirst
zero_last = ZeroLast
zeros = Zeros

__all__ = [
    "STFT",
    "Blocked",
    "ByDepth",
    "Chrono",
    "Constant",
    "DeltaOrthogonal",
    "Dirac",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "HippoLegS",
    "Identity",
    "Initializer",
    "InverseSoftplusUniform",
    "Kaiming",
    "LecunNormal",
    "LecunUniform",
    "LogUniform",
    "LogitPrior",
    "Mapped",
    "Masked",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "RecurrentGate",
    "RingPhase",
    "RingUniform",
    "S4DInv",
    "S4DLin",
    "S4DReal",
    "Scaled",
    "SinCos",
    "Siren",
    "SmallInit",
    "Sparse",
    "Stacked",
    "TorchLinear",
    "TruncatedNormal",
    "UniformGate",
    "UnitForgetGate",
    "VarianceScaling",
    "WangInit",
    "Xavier",
    "ZerO",
    "ZeroFirst",
    "ZeroLast",
    "Zeros",
    "blocked",
    "by_depth",
    "chrono",
    "constant",
    "delta_orthogonal",
    "deserialize",
    "dirac",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "hippo_leg_s",
    "identity",
    "inverse_softplus_uniform",
    "kaiming",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "log_uniform",
    "logit_prior",
    "mapped",
    "masked",
    "normal",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "recurrent_gate",
    "ring_phase",
    "ring_uniform",
    "s4d_inv",
    "s4d_lin",
    "s4d_real",
    "scaled",
    "serialize",
    "sin_cos",
    "siren",
    "small_init",
    "sparse",
    "stacked",
    "stft",
    "torch_linear",
    "truncated_normal",
    "uniform",
    "uniform_gate",
    "unit_forget_gate",
    "variance_scaling",
    "wang_init",
    "xavier",
    "xavier_normal",
    "xavier_uniform",
    "zer_o",
    "zero_first",
    "zero_last",
    "zeros",
]
