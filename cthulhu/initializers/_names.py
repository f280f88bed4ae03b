"""The table of names: every class, its snake_case name, and Keras's legacy names."""

import re
from collections.abc import Mapping

from cthulhu.initializers._base import Initializer
from cthulhu.initializers._constant import Constant, Ones, Zeros
from cthulhu.initializers._identity import Identity
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

__all__ = ["CLASSES", "KNOWN_AS", "NAMES", "snake_case"]

CLASSES: tuple[type[Initializer], ...] = (
    Constant,
    DeltaOrthogonal,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Identity,
    LecunNormal,
    LecunUniform,
    Ones,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    Zeros,
)


def snake_case(name: str) -> str:
    """`HeNormal` as `he_normal`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


# Keras 2, tf.keras and Keras 3 read and write these too.
LEGACY: Mapping[str, type[Initializer]] = {
    "IdentityInitializer": Identity,
    "OrthogonalInitializer": Orthogonal,
    "normal": RandomNormal,
    "one": Ones,
    "uniform": RandomUniform,
    "zero": Zeros,
    **{f"{cls.__name__}V2": cls for cls in CLASSES if cls is not DeltaOrthogonal},
    **{
        f"{snake_case(cls.__name__)}V2": cls
        for cls in (GlorotNormal, GlorotUniform, HeNormal, HeUniform, LecunNormal, LecunUniform)
    },
}

# Other libraries' names, of JAX and of torch.
ALIASES: Mapping[str, type[Initializer]] = {
    "kaiming_normal": HeNormal,
    "kaiming_uniform": HeUniform,
    "xavier_normal": GlorotNormal,
    "xavier_uniform": GlorotUniform,
}

# What people type for these, and what it is called here: better than a near spelling.
KNOWN_AS: Mapping[str, str] = {
    "constant_": "constant",
    "eye": "identity",
    "eye_": "identity",
    "gaussian": "random_normal",
    "he": "he_normal",
    "kaiming": "he_normal",
    "kaiming_normal_": "he_normal",
    "kaiming_uniform_": "he_uniform",
    "glorot": "glorot_uniform",
    "lecun": "lecun_normal",
    "normal_": "random_normal",
    "ones_": "ones",
    "ones_init": "ones",
    "orthogonal_": "orthogonal",
    "trunc_normal": "truncated_normal",
    "trunc_normal_": "truncated_normal",
    "uniform_": "random_uniform",
    "xavier": "glorot_uniform",
    "xavier_normal_": "glorot_normal",
    "xavier_uniform_": "glorot_uniform",
    "zeros_": "zeros",
    "zeros_init": "zeros",
}

NAMES: Mapping[str, type[Initializer]] = {
    **{cls.__name__: cls for cls in CLASSES},
    **{snake_case(cls.__name__): cls for cls in CLASSES},
    **LEGACY,
    **ALIASES,
}
