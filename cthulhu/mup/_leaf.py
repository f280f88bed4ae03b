"""What widening a model does to one of its parameters: data."""

import dataclasses
import math
from typing import Literal, TypeAlias, get_args

from cthulhu import checks

Role: TypeAlias = Literal["input", "hidden", "output", "tied", "scalar"]
"""What grows of a parameter when the model does.

Of an ``input`` the outputs grow alone: an embedding, the first kernel, a bias, a norm. Of a
``hidden`` one inputs and outputs grow, of an ``output`` the inputs alone. ``tied`` is what is
both an embedding and a readout, and of a ``scalar`` nothing grows.
"""

ROLES: tuple[Role, ...] = get_args(Role)

Use: TypeAlias = Literal["kernel", "table", "vector"]
"""What a parameter is to the activations, if usage tells: vectors are biases, scales, tokens."""

INFINITE: dict[Role, int] = {"input": 1, "hidden": 2, "output": 1, "tied": 1, "scalar": 0}


@dataclasses.dataclass(frozen=True)
class LeafShape:
    """One parameter of a model and of its base: which of its dimensions are infinite.

    Args:
        path: its path, joined by slashes.
        shape: its shape.
        base_shape: its shape in the base model.
        role: what grows of it.
        m_in: by which factor its inputs have grown, which is a product over their axes.
        m_out: by which factor its outputs have grown.
        infinite: the axes that grow and count: none that stacks layers or experts, none of a
            receptive field, and not the rows of a table.
        inputs: the axes of its inputs, if they are known.
        outputs: the axes of its outputs, if they are known.
        apart: the axes that stack independent parameters, as layers and experts.
        stacked: those of them that stack layers.
        use: what it is to the activations, if that is known.
        groups: the groups of a convolution.
        dtype: its type.
        folded: whether it is a readout that holds the factor of its logits itself; see
            `fold_readout`.

    Raises:
        ValueError: `role` is unknown.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu import mup
        >>> spec = lambda *shape: {"kernel": jax.ShapeDtypeStruct(shape, np.float32)}
        >>> leaf = mup.infer(spec(64, 256), spec(128, 512), layout="in_out")["kernel"]
        >>> leaf.role, leaf.m_in, leaf.m_out
        ('hidden', 2.0, 2.0)
    """

    path: str
    shape: tuple[int, ...]
    base_shape: tuple[int, ...]
    role: Role
    m_in: float = 1.0
    m_out: float = 1.0
    infinite: tuple[int, ...] = ()
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    apart: tuple[int, ...] = ()
    stacked: tuple[int, ...] = ()
    use: Use | None = None
    groups: int = 1
    dtype: str = "float32"
    folded: bool = False

    def __post_init__(self) -> None:
        """Check the role, by which everything goes."""
        checks.choice("LeafShape", "role", self.role, ROLES)

    @property
    def ninf(self) -> int:
        """How many of its sides are infinite, 1 as of a vector, or 2 as of a matrix."""
        return INFINITE[self.role]

    @property
    def width(self) -> float:
        """By which factor the model is wider here, by the inputs, or else the outputs."""
        return self.m_out if self.role == "input" else self.m_in

    @property
    def law_shape(self) -> tuple[int, ...]:
        """The shape at which its law is taken, which is the base's along what is infinite."""
        pairs = zip(self.base_shape, self.shape, strict=True)
        return tuple(
            base if axis in self.infinite else size for axis, (base, size) in enumerate(pairs)
        )

    @property
    def axes_known(self) -> bool:
        """Whether it is known which axes are inputs, and which outputs."""
        return bool(self.inputs and self.outputs)

    @property
    def is_vector(self) -> bool:
        """Whether it is a bias, a scale or a token."""
        return self.use == "vector"

    def sizes(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """The number of inputs and of outputs, of its own shape or of the base's."""
        inputs, outputs = (
            math.prod(shape[axis] for axis in axes) for axes in (self.inputs, self.outputs)
        )
        return inputs, outputs

    @property
    def fan_in(self) -> int:
        """The number of inputs of an output, with the receptive field; of a table its features."""
        if self.use == "table":
            return self.sizes(self.shape)[1]
        beside = {*self.apart, *self.outputs}
        return math.prod(size for axis, size in enumerate(self.shape) if axis not in beside)
