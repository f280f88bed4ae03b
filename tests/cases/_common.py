"""What rows of several families say."""

from tests.refusals import Wrong

AXES = "in_axis=-2, out_axis=-1, batch_axis=(), layout=None"

BACKWARDS = Wrong(
    {"low": 0.5, "high": 0.25},
    ValueError,
    r"low must be at most high; got low=0\.5 and high=0\.25$",
)
OUTSIDE = (
    Wrong({"low": -0.5}, ValueError, r"low must be from 0 to 1; got -0\.5$"),
    Wrong({"high": 1.5}, ValueError, r"high must be from 0 to 1; got 1\.5$"),
    Wrong({"high": "1"}, TypeError, r"high must be a number or a scalar array;"),
)
MEANT = r"\(did you mean "
NO_AXIS = (Wrong({"axis": (0, 1)}, TypeError, r"axis must be an integer; got \(0, 1\)$"),)
