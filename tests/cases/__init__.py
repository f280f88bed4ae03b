"""The table of initializers: one row each, which the tests run over.

Each family's file has `CASES`, a row for every initializer with the documented
defaults, and `VARIANTS`, further rows with other options. A new initializer is one
file, one row here, and one entry in the documentation.
"""

import jax

from tests.case import Case, Traced, by_id
from tests.cases import combinators, elementwise, fixed, matrices, scaling, sequences
from tests.compare import bits_of, same_bits, ulps

__all__ = [
    "ALL",
    "CASES",
    "KEY",
    "RANDOM",
    "RANDOM_VARIANTS",
    "VARIANTS",
    "Case",
    "Traced",
    "bits_of",
    "by_id",
    "same_bits",
    "ulps",
]

FAMILIES = (fixed, elementwise, scaling, matrices, sequences, combinators)

CASES: tuple[Case, ...] = tuple(case for family in FAMILIES for case in family.CASES)
VARIANTS: tuple[Case, ...] = tuple(case for family in FAMILIES for case in family.VARIANTS)

ALL = CASES + VARIANTS
RANDOM = tuple(case for case in CASES if case.draws)
RANDOM_VARIANTS = tuple(case for case in ALL if case.draws)

KEY = jax.random.key(20240229)
