"""Which parameters a law sees besides its own, by their paths."""

import dataclasses
import posixpath
from collections.abc import Sequence
from typing import Any

from cthulhu import checks
from cthulhu.fans import compute_fans
from cthulhu.initializers import ByDepth, TorchBias
from cthulhu.initializers._nested import Combinator
from cthulhu.params._layout import fans_of
from cthulhu.params._leaves import Leaf, planned
from cthulhu.params._siblings import OfSiblings
from cthulhu.trees import join


def related(owner: str, leaves: Sequence[Leaf]) -> list[Leaf]:
    """Leaves that know their siblings, checked.

    Args:
        owner: who asks, for the message of an error.
        leaves: the parameters.

    Returns:
        As many leaves.

    Raises:
        ValueError: a sibling is missing, or leaves are made of each other in a circle.
    """
    seeing = (OfSiblings, TorchBias, Combinator)
    if not any(isinstance(leaf.initializer, seeing) for leaf in leaves):
        return [planned(owner, leaf) for leaf in leaves]
    return Relations(owner, leaves).found


class Relations:
    """The leaves of a tree, each found once, after those that it is made of."""

    def __init__(self, owner: str, leaves: Sequence[Leaf]) -> None:
        self.owner, self.leaves = owner, leaves
        # Where two paths have one text, as of `("a/b",)` and `("a", "b")`, it is the first's.
        self.places = {join(leaf.path): at for at, leaf in reversed(list(enumerate(leaves)))}
        self.done: dict[int, Leaf] = {}
        self.found = [self.leaf(at, ()) for at in range(len(leaves))]

    def leaf(self, at: int, trail: tuple[int, ...]) -> Leaf:
        """A leaf with its siblings; `trail` are those that wait for it."""
        if at in self.done:
            return self.done[at]
        if at in trail:
            circle = " -> ".join(
                repr(join(self.leaves[one].path)) for one in (*trail[trail.index(at) :], at)
            )
            raise ValueError(
                f"{self.owner}: these parameters are made of each other: {circle}; one of them "
                "must have a law of its own"
            )
        leaf, trail = self.leaves[at], (*trail, at)
        if leaf.kept:  # What it would be made of plays no part.
            self.done[at] = leaf
            return leaf
        initializer = leaf.initializer
        if isinstance(initializer, OfSiblings):
            paths = initializer.siblings.items()
            siblings = tuple((one, self.leaf(self.place(leaf, path), trail)) for one, path in paths)
            for _, sibling in siblings:
                self.check_layers(leaf, sibling)
            leaf = dataclasses.replace(leaf, siblings=siblings)
        elif isinstance(initializer, TorchBias | Combinator):
            told = self.told(leaf, initializer)
            if told is not initializer:
                leaf = dataclasses.replace(leaf, initializer=told)
        self.done[at] = planned(self.owner, leaf)
        return self.done[at]

    def check_layers(self, leaf: Leaf, sibling: Leaf) -> None:
        """Refuse stacked layers that see a sibling of other layers."""
        axis = sibling.layer_axis
        if leaf.layers is not None and axis is not None and sibling.shape[axis] != leaf.layers:
            raise ValueError(
                f"{self.owner}: {join(leaf.path)!r} stacks {leaf.layers} layers, and "
                f"{join(sibling.path)!r}, which each of them sees, stacks {sibling.shape[axis]}"
            )

    def place(self, leaf: Leaf, relative: str) -> int:
        """The number of a sibling."""
        own = join(leaf.path)
        name = posixpath.normpath(posixpath.join("/", join(leaf.path[:-1]), relative))[1:]
        if name not in self.places:
            near = checks.did_you_mean(name, self.places)
            raise ValueError(
                f"{self.owner}: {own!r}: {leaf.initializer!r} sees {relative!r}, which is "
                f"{name!r}, and there is no such parameter{near}. Paths begin where the parameter "
                "is; '../' goes up, and '/' at the start is the root"
            )
        return self.places[name]

    def told(self, leaf: Leaf, initializer: Any) -> Any:
        """An initializer that knows the fans of its kernel, if it or one within asks for them."""
        if isinstance(initializer, TorchBias):
            if initializer.fan_in is not None:
                return initializer
            kernel = self.leaves[self.place(leaf, kernel_of(leaf, initializer))]
            return dataclasses.replace(initializer, fan_in=self.inputs(initializer, kernel))
        if isinstance(initializer, OfSiblings):
            raise ValueError(
                f"{self.owner}: {join(leaf.path)!r}: {initializer!r} sees other parameters, and "
                f"must not be within another initializer, as in {leaf.initializer!r}"
            )
        if not isinstance(initializer, Combinator):
            return initializer
        within = [self.told(leaf, one) for one in initializer.within]
        same = all(one is other for one, other in zip(within, initializer.within, strict=True))
        return initializer if same else initializer.of_parts(within)

    def inputs(self, bias: TorchBias, kernel: Leaf) -> int:
        """The number of inputs of a kernel: by the bias, by its own axes, or by the layout."""
        shape = kernel.shape_of_layer
        if bias.layout is not None:
            return compute_fans(shape, layout=bias.layout).fan_in
        initializer = kernel.initializer
        if kernel.stack is None and isinstance(initializer, ByDepth):
            initializer = initializer.init
        fans = fans_of(initializer, shape)
        if fans is None:
            known = kernel.layout if len(shape) > 1 else None
            fans = compute_fans(shape, layout=known)
        return fans.fan_in


def kernel_of(leaf: Leaf, bias: TorchBias) -> str:
    """The path of the kernel of a bias: the one to whose output it is added, if that is known."""
    if leaf.used is None or len(leaf.used.kernels) != 1 or bias.kernel != TorchBias().kernel:
        return bias.kernel
    return f"/{leaf.used.kernels[0]}"
