"""`Audit`: what `check` found."""

import dataclasses
import json
from typing import NamedTuple

from cthulhu import checks
from cthulhu.views import Grid, View, counted


class Flag(NamedTuple):
    """Something that is wrong with a parameter.

    Args:
        kind: what: ``"wrong fan"``, ``"depth"``, ``"scale"``, ``"mean"``, ``"truncated"``,
            ``"not truncated"``, ``"distribution"``, ``"support"``, ``"value"``, ``"zeroed"``,
            ``"not zeroed"``, ``"dead"``, ``"non-finite"``, ``"duplicate"``, ``"narrow"``,
            ``"structure"``, ``"shape"`` or ``"missing"``.
        detail: the same in words, with the numbers.

    Example:
        >>> import numpy as np
        >>> from cthulhu.audit import check
        >>> check({"scale": np.zeros(4, np.float32)}, "ones").leaves[0].flags[0].kind
        'zeroed'
    """

    kind: str
    detail: str


@dataclasses.dataclass(frozen=True)
class LeafAudit:
    """A parameter, as it is and as it should be: plain data.

    Args:
        path: its path, joined by slashes.
        role: what it is, if the rules say it.
        shape: its shape.
        dtype: its type.
        expected: the law that it should have.
        expected_mean: the mean of that law, if it is known.
        expected_stddev: its standard deviation, likewise.
        mean: the mean of the values.
        stddev: their standard deviation.
        minimum: the least of them.
        maximum: the greatest.
        zeros: how many of them are 0; of an array of the host, where a sample holds some.
        ones: how many are 1, likewise.
        non_finite: how many are no finite numbers.
        z_mean: how far the mean is off, in standard errors; `None` where nothing is random.
        z_stddev: how far the standard deviation is off, likewise.
        p_value: the least probability, under the law, of what any test saw: that of the
            whole family of tests.
        flags: what is wrong.
        note: what was not looked at, and why.

    Example:
        >>> import numpy as np
        >>> from cthulhu.audit import check
        >>> leaf = check({"scale": np.ones(4, np.float32)}, "ones").leaves[0]
        >>> leaf.ok, leaf.ones
        (True, 4)
    """

    path: str
    role: str | None
    shape: tuple[int, ...]
    dtype: str
    expected: str
    expected_mean: float | None
    expected_stddev: float | None
    mean: float | None = None
    stddev: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    zeros: int = 0
    ones: int = 0
    non_finite: int = 0
    z_mean: float | None = None
    z_stddev: float | None = None
    p_value: float | None = None
    flags: tuple[Flag, ...] = ()
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.flags


@dataclasses.dataclass(frozen=True, repr=False)
class Audit(View):
    """What `check` found: true if nothing is wrong.

    Args:
        leaves: the parameters.
        rate: the probability that a tree as it should be is found wrong anywhere.
        tests: how many tests of chance were made.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu.audit import check
        >>> from cthulhu.params import init_params
        >>> spec = jax.ShapeDtypeStruct((64, 48), np.float32)
        >>> audit = check(init_params(0, {"kernel": spec}, "he_normal"), "lecun_normal")
        >>> bool(audit), audit.leaves[0].flags[0].kind
        (False, 'scale')
    """

    leaves: tuple[LeafAudit, ...]
    rate: float
    tests: int

    def __bool__(self) -> bool:
        """Whether nothing is wrong."""
        return not self.failures

    @property
    def failures(self) -> tuple[LeafAudit, ...]:
        """The parameters that something is wrong with."""
        return tuple(leaf for leaf in self.leaves if not leaf.ok)

    def assert_ok(self) -> None:
        """Raise an error that lists what is wrong, if anything is.

        Raises:
            ValueError: a parameter is not as it should be.
        """
        wrong = self.failures
        if not wrong:
            return
        lines = [f"  {leaf.path}: {'; '.join(f.detail for f in leaf.flags)}" for leaf in wrong]
        raise ValueError(
            f"check: {len(wrong)} of {len(self.leaves)} parameters are not as they should be:\n"
            + checks.listed(lines)
        )

    def to_json(self) -> str:
        """The audit as JSON."""
        record = dataclasses.asdict(self)
        for leaf in record["leaves"]:
            leaf["flags"] = [Flag(*flag)._asdict() for flag in leaf["flags"]]
        return json.dumps(record)

    def _grid(self) -> Grid:
        wrong = len(self.failures)
        title = f"{counted(len(self.leaves), 'parameter', 'parameters')}, " + (
            f"{wrong:,} not as they should be" if wrong else "all as they should be"
        )
        names = ["path", "role", "expected", "stddev", "expected ", "z", "p", "flags"]
        rows = [
            [
                leaf.path,
                leaf.role or "",
                leaf.expected,
                number(leaf.stddev),
                number(leaf.expected_stddev),
                number(leaf.z_stddev, 2),
                number(leaf.p_value, 2),
                "; ".join(flag.detail for flag in leaf.flags) or leaf.note,
            ]
            for leaf in self.leaves
        ]
        if not any(row[1] for row in rows):
            names.pop(1)
            rows = [[row[0], *row[2:]] for row in rows]
        return Grid(title, names, rows, [], frozenset({"stddev", "expected ", "z", "p"}))

    def __repr__(self) -> str:
        """The totals: the parameters may be thousands."""
        return (
            f"<Audit: {counted(len(self.leaves), 'parameter', 'parameters')}, "
            f"{len(self.failures):,} not as they should be>"
        )


def number(value: float | None, digits: int = 4) -> str:
    """A number for a table."""
    return "" if value is None else f"{value:.{digits}g}"
