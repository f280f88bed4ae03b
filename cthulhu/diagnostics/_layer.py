"""`SignalRow`: the signal at one layer, or where it is added to a residual stream."""

import dataclasses
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["layer", "stream"]


@dataclasses.dataclass(frozen=True)
class SignalRow:
    """The signal at one place of a function, or at one step of it in a loop: plain data.

    Args:
        path: the path of the layer's parameter; its second use is ``path#2``, and its step in
            a loop ``path[3]``. Of a residual stream ``x + path``, after the layer of that path
            was added to it.
        parameter: the path of the parameter alone.
        step: the step of the loops around, if there are any.
        mean: the mean of the output.
        rms: its root mean square.
        stddev: its standard deviation.
        cosine: the mean cosine between the outputs of one example and of the next; `None` where
            examples are not told apart.
        gradient: the root mean square of the gradient that arrives there; `None` if nothing
            went back.
        dead: the fraction of units to which no gradient arrives, likewise.
        kind: ``"layer"``, the output of a layer, or ``"stream"``, the sum of a residual stream
            and a branch.

    Example:
        >>> row = SignalRow("kernel", "kernel", None, 0.0, 1.0, 1.0)
        >>> row.rms, row.gradient, row.kind
        (1.0, None, 'layer')
    """

    path: str
    parameter: str
    step: int | None
    mean: float
    rms: float
    stddev: float
    cosine: float | None = None
    gradient: float | None = None
    dead: float | None = None
    kind: Literal["layer", "stream"] = "layer"
