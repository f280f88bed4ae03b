"""`Calibration`: what was measured at each layer, and the factors of its parameters."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any, TypeAlias

import jax
import numpy as np

from cthulhu import checks
from cthulhu._types import HostArray, PyTree
from cthulhu.calibration._slices import Part, Taken, indexed, multiplied
from cthulhu.trees import flatten, frame_of, join
from cthulhu.views import ByPath, Grid, counted

COLUMNS = ("layer", "target", "before", "after", "factor", "note")
NUMBERS = frozenset(COLUMNS[1:5])
AGAIN = "used again"
BY_SCALE = "by its scale"
LEFT_ALONE = "constant, so left alone"
WRONG = {
    "did not run": "it is in a branch that the batch does not take: take another batch, or give it "
    "the target None",
    "output not finite": "find out where the first of them comes from, with diagnostics.signal",
    "output constant": "the signal ends before it, as behind a branch that begins with zeros: "
    "give it the target None",
    "factor at its bound": "look at its initializer; or allow more with bounds=(lowest, highest)",
    "off its target": "its bias may be larger than the target, or what stands between the "
    "parameter and its output undo the factor, as a weight norm does: give it another target, or "
    "None. Of layers in a loop over parts of the batch, one more is right after each pass: "
    "calibrate the function inside the loop. Or allow more passes",
}
"""What may be wrong with a layer, and what to do."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class CalibratedLayer:
    """What was measured at the output of one layer: arrays, of an element for each slice.

    Args:
        path: the path of the layer's kernel; its second use is ``path#2``.
        parameter: the path of the parameter that the factor belongs to: the kernel, or its scale
            where a norm would undo the factor.
        axes: the axes of the parameter along which each slice has a factor of its own: those that
            a loop goes over.
        target: the standard deviation that the output shall have.
        before: the standard deviation that it had, with all that comes before corrected.
        after: the standard deviation that it has.
        factor: what the parameter is multiplied by; `None` at a later use, and where it is left
            alone.
        ran: how often the layer ran in the last pass.
        constant: whether all values of the kernel are one number, so that they stay.
        note: why it is left alone.
        taken: where the layer has one part of the parameter, as ``kernel[3]``, the axes and the
            numbers of that.

    Example:
        >>> from cthulhu.calibration import CalibratedLayer
        >>> CalibratedLayer("kernel", "kernel", note="its target is None").factor is None
        True
    """

    path: str = dataclasses.field(metadata={"static": True})
    parameter: str = dataclasses.field(metadata={"static": True})
    axes: tuple[int, ...] = dataclasses.field(default=(), metadata={"static": True})
    target: Any = None
    before: Any = None
    after: Any = None
    factor: Any = None
    ran: Any = None
    constant: Any = None
    note: str = dataclasses.field(default="", metadata={"static": True})
    taken: tuple[tuple[int, int], ...] = dataclasses.field(default=(), metadata={"static": True})


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Calibration(ByPath[CalibratedLayer]):
    """What `calibrate` measured and what it multiplied parameters by: a table when printed.

    It is a pytree of arrays, so that a function that is compiled may return it.

    Args:
        leaves: the layers, in the order of the program, and after them what was left alone.
        passes: how often the function ran.
        tolerance: how far from its target a standard deviation may be.
        bounds: the least and the greatest factor.

    Example:
        >>> import jax.numpy as jnp
        >>> from cthulhu.calibration import calibrate
        >>> params, found = calibrate(lambda p, x: x @ p, 4 * jnp.eye(2), jnp.array([[1.0, 3.0]]))
        >>> found.leaves[0].before.item(), found.leaves[0].factor.item()
        (4.0, 0.25)
    """

    leaves: tuple[CalibratedLayer, ...]
    passes: Any
    tolerance: float = dataclasses.field(default=0.01, metadata={"static": True})
    bounds: tuple[float, float] = dataclasses.field(default=(1e-3, 1e3), metadata={"static": True})

    @property
    def factors(self) -> dict[str, Any]:
        """The factors, by the path of the parameter or of a part; one for each slice of a stack."""
        return {
            one.parameter + indexed(one.taken): one.factor
            for one in self.leaves
            if one.factor is not None
        }

    def apply(self, params: PyTree) -> PyTree:
        """Multiply parameters by the factors, without any data.

        It may be traced. The parameters that `calibrate` was given become those that it
        returned, bit for bit.

        Args:
            params: parameters of the same paths, of any framework.

        Returns:
            A tree like `params`.

        Raises:
            ValueError: a parameter is missing, or has other slices.
        """
        frame = frame_of(params)
        paths, everything, _ = flatten(params)
        names = list(map(join, frame.parameters(paths)))
        leaves = frame.parameters(everything)
        mine: dict[int, list[CalibratedLayer]] = {}
        for one in self.leaves:
            if one.factor is None:
                continue
            if one.parameter not in names:
                near = checks.did_you_mean(one.parameter, names)
                raise ValueError(
                    f"Calibration.apply: params has no parameter {one.parameter!r}{near}"
                )
            at = names.index(one.parameter)
            shape, sizes = leaves[at].shape, np.shape(one.factor)
            if max(one.axes, default=-1) >= len(shape) or sizes != tuple(
                shape[axis] for axis in one.axes
            ):
                raise ValueError(
                    f"Calibration.apply: {one.parameter!r} must have {sizes} slices along the "
                    f"axes {one.axes}; its shape is {shape}"
                )
            if any(axis >= len(shape) or number >= shape[axis] for axis, number in one.taken):
                raise ValueError(
                    f"Calibration.apply: {one.parameter!r} must have the part "
                    f"{indexed(one.taken)}; its shape is {shape}"
                )
            mine.setdefault(at, []).append(one)
        new = all_multiplied(
            {at: leaves[at] for at in mine},
            {at: [one.factor for one in parts] for at, parts in mine.items()},
            tuple((at, tuple((one.taken, one.axes) for one in each)) for at, each in mine.items()),
        )
        return frame.fill([new.get(at, leaf) for at, leaf in enumerate(leaves)])

    @property
    def failures(self) -> tuple[tuple[str, str], ...]:
        """The layers that are not at their targets, slice by slice, and what is wrong."""
        return tuple((name, wrong) for name, _, _, wrong in self._slices() if wrong in WRONG)

    def assert_calibrated(self) -> None:
        """Raise an error that lists what is not at its target, and what to do, if anything is.

        `calibrate` does so itself, unless it is traced or ``strict=False``.

        Raises:
            AssertionError: a layer is not at its target.
        """
        text = complaint_of(self)
        if text:
            raise AssertionError(f"calibrate: {text}")

    def to_json(self) -> str:
        """The calibration as JSON, which `from_json` reads."""
        record = {
            "layers": [
                {name: plain(value) for name, value in vars(one).items()} for one in self.leaves
            ],
            "passes": int(self.passes),
            "tolerance": self.tolerance,
            "bounds": self.bounds,
        }
        return json.dumps(record)

    @classmethod
    def from_json(cls, text: str) -> "Calibration":
        """Read what `to_json` wrote.

        Args:
            text: what `to_json` returned.

        Returns:
            A calibration that says and does the same.

        Raises:
            ValueError: `text` is not what `to_json` wrote.
        """
        with checks.from_json("Calibration"):
            record = json.loads(text)
            low, high = record["bounds"]
            return cls(
                tuple(map(layer_from, record["layers"])),
                int(record["passes"]),
                float(record["tolerance"]),
                (float(low), float(high)),
            )

    def _slices(self) -> Iterator[tuple[str, CalibratedLayer, tuple[int, ...], str]]:
        """Each slice of each layer: its name, the layer, where the slice is, and a note."""
        for one in self.leaves:
            if one.target is None:
                yield one.path, one, (), one.note
                continue
            verdicts = verdicts_of(one, self.tolerance, self.bounds)
            for at in np.ndindex(np.shape(one.target)):
                name = one.path + "".join(f"[{index}]" for index in at)
                yield name, one, at, str(verdicts[at])

    def _grid(self) -> Grid:
        rows = []
        for name, one, at, note in self._slices():
            numbers = [one.target, one.before, one.after, one.factor]
            shown = ["" if value is None else f"{np.asarray(value)[at]:.4g}" for value in numbers]
            rows.append([name, *shown, note])
        names = [name for n, name in enumerate(COLUMNS) if any(row[n] for row in rows)]
        kept = [COLUMNS.index(name) for name in names]
        totals = [counted(len(rows), "row", "rows"), *[""] * (len(names) - 1)]
        return Grid("Calibration", names, [[row[n] for n in kept] for row in rows], totals, NUMBERS)

    def __repr__(self) -> str:
        """How many parameters have factors."""
        return f"<Calibration: {counted(len(self.factors), 'parameter', 'parameters')}>"


Parts: TypeAlias = tuple[tuple[int, tuple[tuple[Taken, tuple[int, ...]], ...]], ...]
"""For the numbers of some parameters, the parts that have factors, and the axes of these."""


def multiply(
    leaves: dict[int, Any], factors: dict[int, list[Any]], parts: Parts
) -> dict[int, jax.Array]:
    """The parameters, multiplied by their factors."""
    return {
        at: multiplied(
            leaves[at],
            [
                Part(taken, axes, factor)
                for (taken, axes), factor in zip(known, factors[at], strict=True)
            ],
        )
        for at, known in parts
    }


all_multiplied = jax.jit(multiply, static_argnums=2)


def plain(value: Any) -> Any:
    """An array as lists."""
    return np.asarray(value).tolist() if hasattr(value, "dtype") else value


def layer_from(record: dict[str, Any]) -> CalibratedLayer:
    """The layer that a record of JSON tells of."""
    known = dict(record)
    for name in ("target", "before", "after", "factor"):
        if known[name] is not None:
            known[name] = np.asarray(known[name], np.float32)
    for name, dtype in (("ran", np.int32), ("constant", np.bool_)):
        if known[name] is not None:
            known[name] = np.asarray(known[name], dtype)
    known["axes"] = tuple(known["axes"])
    known["taken"] = tuple((axis, number) for axis, number in known["taken"])
    return CalibratedLayer(**known)


def verdicts_of(layer: CalibratedLayer, tolerance: float, bounds: tuple[float, float]) -> HostArray:
    """What is wrong with each slice of a layer, in words; its note if nothing is."""
    target, after = np.asarray(layer.target, np.float64), np.asarray(layer.after, np.float64)
    if layer.factor is None:
        return np.full(after.shape, layer.note, object)
    factor = np.asarray(layer.factor, np.float64)
    with np.errstate(invalid="ignore"):
        off = np.abs(after / target - 1) > tolerance
    stuck = (factor <= bounds[0] * (1 + 1e-6)) | (factor >= bounds[1] * (1 - 1e-6))
    cases = [
        (np.asarray(layer.constant), LEFT_ALONE),
        (np.asarray(layer.ran) == 0, "did not run"),
        (~np.isfinite(after), "output not finite"),
        (after == 0, "output constant"),
        (off & stuck, "factor at its bound"),
        (off, "off its target"),
    ]
    wrong = np.select([case for case, _ in cases], [text for _, text in cases], layer.note)
    return np.asarray(wrong, object)


def complaint_of(calibration: Calibration) -> str:
    """What is wrong, and what to do; nothing if nothing is."""
    wrong = calibration.failures
    if not wrong:
        return ""
    lines = checks.listed([f"  {name}: {text}" for name, text in wrong])
    kinds = dict.fromkeys(text for _, text in wrong)
    todo = [f"  {kind}: {WRONG[kind]}" for kind in kinds]
    layers = counted(len(wrong), "layer is", "layers are")
    return "\n".join([f"{layers} not at the target:", lines, "What to do:", *todo])
