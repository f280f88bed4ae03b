"""The documented initializers: frozen values that name a pure function and its options.

Each class has its snake_case name too: ``he_normal is HeNormal``.
"""

from cthulhu.initializers._base import Initializer
from cthulhu.initializers._config import deserialize, serialize
from cthulhu.initializers._constant import Constant, Ones, Zeros
from cthulhu.initializers._identity import Identity
from cthulhu.initializers._lookup import get
from cthulhu.initializers._normal import RandomNormal, TruncatedNormal
from cthulhu.initializers._orthogonal import DeltaOrthogonal, Orthogonal
from cthulhu.initializers._uniform import RandomUniform
from cthulhu.initializers._variance_scaling import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    VarianceScaling,
)

# The documented snake_case names are the classes themselves.
constant = Constant
delta_orthogonal = DeltaOrthogonal
glorot_normal = GlorotNormal
glorot_uniform = GlorotUniform
he_normal = HeNormal
he_uniform = HeUniform
identity = Identity
lecun_normal = LecunNormal
lecun_uniform = LecunUniform
ones = Ones
orthogonal = Orthogonal
random_normal = RandomNormal
random_uniform = RandomUniform
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
zeros = Zeros

# The names that users of JAX and torch type.
kaiming_normal = HeNormal
kaiming_uniform = HeUniform
normal = RandomNormal
uniform = RandomUniform
xavier_normal = GlorotNormal
xavier_uniform = GlorotUniform

__all__ = [
    "Constant",
    "DeltaOrthogonal",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "delta_orthogonal",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]
