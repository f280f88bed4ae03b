"""What a plan says of a leaf."""

from cthulhu.params import _naming as naming
from cthulhu.params._layout import fans_of
from cthulhu.params._leaves import Leaf
from cthulhu.params._rows import LeafPlan
from cthulhu.params._using import layout_in_layer
from cthulhu.random import path_digest
from cthulhu.trees import join


def describe(leaf: Leaf) -> LeafPlan:
    """The row of one leaf."""
    fans = None if leaf.draw is None else naming.fans_of_draw(leaf.draw, leaf.initializer)
    source = leaf.source
    if leaf.used is not None and fans_of(leaf.initializer, leaf.layer_shape) is None:
        # Nothing depends on them, so they are those of the use.
        layout, source = layout_in_layer(leaf.used, leaf.stack), "use"
        fans = None if layout is None else layout.fans(leaf.layer_shape)
    expected = None if leaf.draw is None else leaf.draw.moments()
    spec = getattr(leaf.sharding, "spec", leaf.sharding)
    return LeafPlan(
        path=join(leaf.path),
        shape=leaf.shape,
        dtype=str(leaf.dtype),
        sharding=None if leaf.sharding is None else str(spec),
        nbytes=leaf.nbytes,
        initializer=called(leaf),
        fan_in=None if fans is None else fans.fan_in,
        fan_out=None if fans is None else fans.fan_out,
        mean=None if expected is None else expected.mean + 0.0,
        stddev=None if expected is None else float(f"{expected.stddev:.6g}"),
        digest="".join(f"{word:08x}" for word in path_digest(leaf.path)),
        role=leaf.role or (None if leaf.used is None else leaf.used.role),
        fans_from=None if fans is None else source,
    )


def called(leaf: Leaf) -> str:
    """What makes a leaf, in words."""
    initializer, given = leaf.unbound
    name: str = getattr(initializer, "__name__", None) or repr(initializer)
    if given:
        name += f"({', '.join(f'{name}={value!r}' for name, value in given.items())})"
    return name
