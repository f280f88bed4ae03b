"""The residual streams of a program: its sums ``x + branch(x)``, found without any framework.

Such a sum adds two activations of one shape. One of them, the stream, is what the other, the
branch, was made of, with a contraction with a parameter on the way. The stream may come moved
or scaled, or with what was added to it just before, as in ``(x + attention(x)) + mlp(x)``. It
may also come through one layer, as where a ResNet changes its shape. Such a shortcut is told
from a summand by what stands beside it: layers with something between them that is not linear.

What a value was made of is a set of bits, one for each value that may be a stream, so that a
program is gone through once.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from cthulhu.usage._activations import ADDING, MOVING, SCALING, Activation, Flat, Followed, Node
from cthulhu.usage._values import Place

# Through which a stream goes on: it is moved, scaled or shifted; or pooled, as in a shortcut
# without parameters. Not slices, as the steps of a sequence are no copies of each other.
PASSING = MOVING | SCALING | ADDING | {"expand_dims", "neg", "pad", "rev"}
PASSING |= {"reduce_window", "reduce_window_max", "reduce_window_sum"}

# What is linear in its operand, if only one of them is an activation.
LINEAR = PASSING - {"reduce_window", "reduce_window_max"}
LINEAR |= {
    "broadcast_in_dim",
    "conv_general_dilated",
    "dot_general",
    "reduce_sum",
    "slice",
    "split",
}

# What activation functions are made of, and norms are not, but for what they divide by.
BENDING = frozenset({"erf", "erfc", "exp", "logistic", "max", "min", "select_n", "sin", "tanh"})


def streams(found: Followed) -> list[Activation]:
    """The sums of residual streams, in the order of the program.

    Args:
        found: a function as a program, with its layers.

    Returns:
        For each sum an `Activation`, whose path is that of the last layer that was added, and
        whose name is ``x +`` that path. A sum that only the next sum reads is a part of that.
    """
    walk = Walk(found.flat, layers_of(found), len(found.traced.leaves))
    times: Counter[str] = Counter()
    named: list[Activation] = []
    for place, path in walk.sums():
        name = f"x + {path}"
        times[name] += 1
        numbered = name if times[name] == 1 else f"{name}#{times[name]}"
        named.append(Activation(numbered, place, path, start=place))
    return named


def layers_of(found: Followed) -> dict[int, str]:
    """The equations that contract with a parameter, or hold one that does; the last one's path."""
    layers: dict[int, str] = {}
    for one in found.activations:
        if one.path is not None and one.use is not None and one.use.role == "kernel":
            prefixes = [one.start[:end] for end in range(1, len(one.start) + 1)]
            layers |= {
                found.flat.at[place]: one.path for place in prefixes if place in found.flat.at
            }
    return layers


class Origin(NamedTuple):
    """What a value was made of: sets of bits, each of values that may be streams."""

    any: int = 0
    through: int = 0
    """Those from which a layer leads here."""
    bent: int = 0
    """Those from which a layer leads here, and then something that is not linear."""
    deep: int = 0
    """Those from which a layer, something that is not linear, and another layer lead here."""


class Near(NamedTuple):
    """The layers that a value comes from, with no other between: a set of bits."""

    layers: int = 0
    other: bool = False
    """Whether it comes from an input too, with no layer between, or through an activation."""


class Sum(NamedTuple):
    """A sum of a stream and a branch."""

    last: int
    """The last layer that was added."""
    carried: int
    """The bits of what the stream was, before this sum and those before it."""


NOTHING = Origin()


class Walk:
    """A program, from its inputs to its outputs."""

    def __init__(self, flat: Flat, layers: Mapping[int, str], parameters: int) -> None:
        self.flat = flat
        self.layers = sorted(layers)
        self.paths = [layers[at] for at in self.layers]
        self.numbers = {at: number for number, at in enumerate(self.layers)}
        self.moving = set(flat.inputs[parameters:])
        """The values that depend on the inputs."""
        self.before: dict[int, int] = {}
        """The value that one is, but for what a stream passes through."""
        self.near: dict[int, Near] = {value: Near(other=True) for value in self.moving}
        self.gates: set[int] = set()
        """What a sigmoid made, and what that is, moved, picked or taken from 1."""
        self.maker: dict[int, int] = {}
        """The sum of two activations that a value is."""
        self.bits: dict[int, int] = {}
        """The bit of each value that may be a stream."""
        self.origins: dict[int, Origin] = {}
        self.found: dict[int, Sum] = {}
        self.parts: set[int] = set()
        """The sums that only the next one reads."""

    def sums(self) -> Iterator[tuple[Place, str]]:
        """The place of each sum, and the path of the last layer that was added."""
        candidates = self.candidates()
        if not candidates:
            return
        self.bits = self.numbered(candidates)
        self.origins = {value: Origin(any=bit) for value, bit in self.bits.items()}
        for at, node in enumerate(self.flat.nodes):
            if at in candidates:
                self.decide(at, node)
            origin = self.origin(at, node)
            for value in node.outputs if origin != NOTHING else ():
                self.origins[value] = origin._replace(any=origin.any | self.bits.get(value, 0))
        for at, one in self.found.items():
            if at not in self.parts:
                yield self.flat.nodes[at].place, self.paths[one.last]

    def candidates(self) -> set[int]:
        """The sums of two activations; on the way, what comes from where."""
        found: set[int] = set()
        for at, node in enumerate(self.flat.nodes):
            moving = [value for value in node.inputs if value in self.moving]
            for entry in node.enters:
                if entry.outer in self.moving or (entry.carried and moving):
                    self.moving.add(entry.inner)
                    self.near[entry.inner] = Near(other=True)
            if not moving:
                continue
            self.moving.update(node.outputs)
            if at in self.numbers:
                near = Near(1 << self.numbers[at])
            else:
                known = [self.near[value] for value in moving]
                layers = 0
                for one in known:
                    layers |= one.layers
                near = Near(layers, any(one.other for one in known) or self.bends(node, layers))
            self.near.update(dict.fromkeys(node.outputs, near))
            if node.name == "logistic" or (node.name in LINEAR and self.gates.issuperset(moving)):
                self.gates.update(node.outputs)
            is_divisor = node.name == "div" and moving != [node.inputs[0]]
            if node.name in PASSING and len(moving) == 1 and not is_divisor:
                self.before[node.outputs[0]] = moving[0]
            elif node.name == "add" and len(moving) == 2 and self.flat.sizes[node.outputs[0]] > 1:
                found.add(at)
                self.maker[node.outputs[0]] = at
        return found

    def bends(self, node: Node, layers: int) -> bool:
        """Whether an equation is an activation function of all that a layer puts out."""
        if node.name not in BENDING or not layers:
            return False
        last = self.flat.nodes[self.layers[layers.bit_length() - 1]]
        return self.flat.sizes[node.outputs[0]] == self.flat.sizes[last.outputs[0]]

    def numbered(self, candidates: set[int]) -> dict[int, int]:
        """A bit for each value that may be a stream: what is added, and what that is, moved."""
        bits: dict[int, int] = {}
        for at in sorted(candidates):
            for value in self.flat.nodes[at].inputs:
                shortcut = self.enters_one_layer(value)
                for start in (value, *(() if shortcut is None else (shortcut,))):
                    for one in self.behind(start):
                        bits.setdefault(one, 1 << len(bits))
        return bits

    def behind(self, value: int) -> Iterator[int]:
        """A value, and those that it is, but for what a stream passes through."""
        yield value
        while value in self.before:
            value = self.before[value]
            yield value

    def enters_one_layer(self, value: int) -> int | None:
        """What goes into a layer, if a value is the output of that alone, but for a norm."""
        near = self.near[value]
        if near.other or near.layers.bit_count() != 1:
            return None
        node = self.flat.nodes[self.layers[near.layers.bit_length() - 1]]
        moving = [one for one in node.inputs if one in self.moving]
        return moving[0] if len(moving) == 1 and not node.enters else None

    def origin(self, at: int, node: Node) -> Origin:
        """What the results of an equation were made of."""
        reached, through, bent, deep = NOTHING
        for value in self.gated(node):
            known = self.origins.get(value, NOTHING)
            reached, through = reached | known.any, through | known.through
            bent, deep = bent | known.bent, deep | known.deep
        if at in self.numbers:
            deep, through = deep | bent, reached
        elif not self.is_linear(node):
            bent |= through
        return Origin(reached, through, bent | through if node.enters else bent, deep)

    def gated(self, node: Node) -> Sequence[int]:
        """The operands of an equation, without what only says how much of another is let through.

        What comes through the reset gate of a recurrent cell is no branch of the cell.
        """
        if node.name != "mul":
            return node.inputs
        others = [value for value in node.inputs if value not in self.gates]
        return node.inputs if self.flat.single.issuperset(others) else others

    def is_linear(self, node: Node) -> bool:
        """Whether a result is linear in the activations."""
        moving = [value in self.moving for value in node.inputs]
        if node.name in ADDING:
            return True
        if node.name == "div":
            return not moving[1]
        return node.name in LINEAR and sum(moving) <= 1

    def decide(self, at: int, node: Node) -> None:
        """Take down a sum, if it is of a stream and a branch."""
        pairs = [node.inputs, node.inputs[::-1]]
        for stream, branch in pairs:
            carried = self.carried(stream)
            # Two that both go on from one are no stream and branch, but two streams.
            alone = carried & ~self.carried(branch)
            if (alone | self.itself(stream)) & self.origins[branch].through:
                last = max(self.last(branch), self.part(stream))
                self.found[at] = Sum(last, carried)
                return
        for stream, branch in pairs:
            start = self.enters_one_layer(stream)
            if start is not None and self.itself(start) & self.origins[branch].deep:
                self.found[at] = Sum(self.last(branch), self.carried(stream))
                return

    def itself(self, value: int) -> int:
        """The bits of what a value is, moved or not."""
        mask = 0
        for one in self.behind(value):
            mask |= self.bits[one]
        return mask

    def carried(self, value: int) -> int:
        """The bits of what a value is, and of what it was before branches were added."""
        *_, first = self.behind(value)
        one = self.found.get(self.maker.get(first, -1))
        return self.itself(value) | (0 if one is None else one.carried)

    def part(self, value: int) -> int:
        """The last layer of a sum that nothing reads but the next; that is no row by itself."""
        *_, first = self.behind(value)
        maker = self.maker.get(first, -1)
        if maker not in self.found or len(self.flat.readers[first]) > 1:
            return -1
        self.parts.add(maker)
        return self.found[maker].last

    def last(self, value: int) -> int:
        """The last of the layers that a value comes from, with no other between."""
        return self.near[value].layers.bit_length() - 1
