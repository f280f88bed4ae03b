"""`forward`: the numbers that a parametrization asks of the code of a model."""

import dataclasses
import functools

from cthulhu import checks
from cthulhu.mup._kind import Kind, Residual
from cthulhu.mup._kinds import KindLike, kind_of
from cthulhu.mup._shapes import Shapes, check_shapes
from cthulhu.params import _patterns as patterns
from cthulhu.params._rule_errors import SHOWN


@dataclasses.dataclass(frozen=True)
class Forward:
    """The factors that the code of a model needs. Made by `forward`.

    ``forward["head/kernel"]`` is what multiplies the product of one parameter with the
    activations; of what is tied, where it is a readout.

    Args:
        shapes: the shapes of the model.
        kind: the kind of parametrization.

    Example:
        >>> from cthulhu import mup
        >>> leaf = mup.LeafShape("head", (512, 10), (128, 10), "output", m_in=4.0)
        >>> mup.forward(mup.Shapes((leaf,)))["head"]
        0.25
    """

    shapes: Shapes
    kind: Kind

    @functools.cached_property
    def _factors(self) -> dict[str, float]:
        """What multiplies each product, by path."""
        found = self.shapes.multipliers(self.kind) if self.shapes.leaves else {}
        return {path: one.forward for path, one in found.items()}

    def __getitem__(self, path: str) -> float:
        """What multiplies the product of a parameter, by its path joined by slashes."""
        self.shapes[path]
        return self._factors[path]

    @property
    def readout(self) -> float:
        """What multiplies the logits, 1/m, or 1 where no readout has a factor.

        Raises:
            ValueError: several parameters have one. What leads from the width to something
                that does not grow, as a router and the keys of fixed heads do, is a readout
                too: each has its factor by path, or is folded.
        """
        found = {
            leaf.path: self._factors[leaf.path]
            for leaf in self.shapes
            if leaf.role in ("output", "tied") and self._factors[leaf.path] != 1
        }
        if len(found) > 1:
            each = [f"  forward[{path!r}] is {one:.4g}" for path, one in found.items()]
            lines = checks.listed(each, SHOWN)
            raise ValueError(
                f"mup.forward: {len(found)} parameters lead from the width to what does not grow, "
                f"and their products have a factor each:\n{lines}\nMultiply each by its own; or "
                "fold those of which the code has none: mup.fold_readout(shapes, 'pattern')"
            )
        return next(iter(found.values()), 1.0)

    def attention(self, head_size: int, base_head_size: int | None = None) -> float:
        """What multiplies the products of queries and keys, in place of 1/√k.

        Args:
            head_size: k, the size of a head, however many there are.
            base_head_size: k₀, that of the base model, in which the factor is 1/√k₀.

        Returns:
            √k₀ / k; in kind ``"umup"`` 1/k.

        Raises:
            TypeError, ValueError: a size is no positive integer, or the base's is needed.

        Example:
            >>> from cthulhu import mup
            >>> forward = mup.forward(mup.Shapes(()))
            >>> forward.attention(64, 64), forward.attention(256, 64)
            (0.125, 0.03125)
        """
        for name, size in (("head_size", head_size), ("base_head_size", base_head_size)):
            if size is not None:
                checks.count("mup.forward", name, size)
        checks.count("mup.forward", "head_size", head_size)
        return self.kind.attention(head_size, base_head_size)

    def residual(self, sublayer: int | None = None) -> Residual:
        """The factors of a residual connection, ``skip * x + branch * f(x)``.

        Args:
            sublayer: which branch it is, counted from 0, for kind ``"umup"``: the even ones
                are attention.

        Returns:
            A pair (skip, branch): (1, m_L^(-α)) in kind ``"completep"``.

        Raises:
            TypeError, ValueError: `sublayer` is needed, or out of range.

        Example:
            >>> from cthulhu import mup
            >>> skip, branch = mup.forward(mup.Shapes(()), mup.CompleteP(depth=4)).residual()
            >>> skip, branch
            (1.0, 0.25)
        """
        return self.kind.residual(sublayer)


def forward(shapes: Shapes, kind: KindLike = "mup") -> Forward:
    """The factors that a model needs in its code: of logits, attention and residual branches.

    In a model as wide and deep as its base they change nothing.

    Args:
        shapes: what `infer` found.
        kind: the kind of parametrization: a name, or as `CompleteP` with its arguments.

    Returns:
        A `Forward`.

    Raises:
        ValueError: `kind` is unknown, or has no rule for a parameter.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu import mup
        >>> head = lambda width: {"head": jax.ShapeDtypeStruct((width, 10), np.float32)}
        >>> mup.forward(mup.infer(head(64), head(256), layout="in_out")).readout
        0.25
    """
    check_shapes("mup.forward", shapes)
    known = kind_of("mup.forward", kind)
    if shapes.leaves:
        shapes.multipliers(known)
    return Forward(shapes, known)


def fold_readout(shapes: Shapes, readouts: str = ".*") -> Shapes:
    """Shapes whose readouts hold the factor of their products themselves.

    For a model whose code has none. The readout is then smaller by m from the start, and its
    learning rates and ε are such that the logits go, step by step, where they go with the
    factor; `rules`, `scale`, the optimizers and `forward` all follow from the shapes.

    Args:
        shapes: what `infer` found.
        readouts: which ones, of those whose inputs grow alone: a regular expression of their
            paths. Default: all.

    Returns:
        `Shapes`.

    Raises:
        ValueError: there is no such readout, or one is tied to an embedding, which no factor of
            the readout may change; or the pattern is invalid.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu import mup
        >>> head = lambda width: {"head": jax.ShapeDtypeStruct((width, 10), np.float32)}
        >>> shapes = mup.infer(head(64), head(256), layout="in_out")
        >>> folded = mup.fold_readout(shapes).multipliers()["head"]
        >>> folded.std, folded.adam, folded.forward
        (0.25, 0.25, 1.0)

    References:
        Yang, Hu and others (2022), "Tensor Programs V", https://arxiv.org/abs/2203.03466,
        table 3.
    """
    check_shapes("mup.fold_readout", shapes)
    names = [leaf.path for leaf in shapes]
    chosen = {names[at] for at in patterns.matching("mup.fold_readout: readouts", readouts, names)}
    tied = [leaf.path for leaf in shapes if leaf.role == "tied" and leaf.path in chosen]
    if tied:
        raise ValueError(
            f"mup.fold_readout: {tied[0]!r} is a readout and an embedding: a factor in it would "
            "change what is embedded too. Multiply the logits by mup.forward(shapes).readout, or "
            "give the readout a parameter of its own"
        )
    folded = {leaf.path for leaf in shapes if leaf.role == "output" and leaf.path in chosen}
    if not folded:
        raise ValueError(
            f"mup.fold_readout: no parameter that {readouts!r} matches is a readout, of which the "
            "inputs grow alone. Where a model is as wide as its base, there is nothing to fold; "
            "delta of mup.infer tells what grows"
        )
    return Shapes(
        tuple(
            dataclasses.replace(leaf, folded=True) if leaf.path in folded else leaf
            for leaf in shapes
        )
    )
