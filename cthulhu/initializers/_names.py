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

__all__ = ["CLASSES", "NAMES", "snake_case"]

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

NAMES: Mapping[str, type[Initializer]] = {
    **{cls.__name__: cls for cls in CLASSES},
    **{snake_case(cls.__name__): cls for cls in CLASSES},
    **LEGACY,
}
