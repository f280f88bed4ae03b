"""A model of one width that is trained a few steps, and what is measured meanwhile."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from cthulhu._types import HostArray, Key, PyTree
from cthulhu.params import fast_init
from cthulhu.trees import is_array
from cthulhu.usage._activations import Followed, followed
from cthulhu.usage._entering import blank
from cthulhu.usage._taps import tapped
from cthulhu.usage._usage import LeafUsage

OWNER = "coord_check"
ITERATIONS = 16  # Of a power iteration: a few percent for random kernels, whose values are close.

Axes: TypeAlias = tuple[int, ...]

Init: TypeAlias = Callable[[Key], PyTree]
Loss: TypeAlias = Callable[[PyTree, Any], jax.Array]


class Model(NamedTuple):
    """A model of one width, as the caller has made it."""

    width: int
    init: Init
    loss: Loss
    optimizer: Any


class Value(NamedTuple):
    """An activation, and how often it was made: 0 in a branch that is not taken."""

    value: jax.Array
    made: jax.Array


class Step(NamedTuple):
    """What is measured before a step."""

    activations: dict[str, tuple[Any, ...]]
    """By name: what a `Coordinate` has, and how often the activation was made."""
    loss: Any


class Norms(NamedTuple):
    """The spectral norms of a kernel and of its change, over √(outputs / inputs)."""

    kernel: Any
    change: Any


class Measured:
    """A model of one width, with its programs: each is compiled once, whatever the seeds."""

    def __init__(self, model: Model, batch: PyTree) -> None:
        self.model, self.batch = model, batch
        self.shapes = jax.eval_shape(model.init, jax.random.key(0))
        found = followed_loss(model, self.shapes, batch)
        self.usage, self.activations = found.usage, found.activations
        self.look = tapped(
            found.traced.jaxpr,
            {one.place: one.name for one in found.activations},
            lambda value: Value(in_float32(value), jnp.int32(1)),
        )
        self.init = fast_init(model.init)
        self.start, self.step = jax.jit(model.optimizer.init), jax.jit(self._step)
        self.nothing = jax.tree.map(blank, jax.eval_shape(self._values, self.shapes))

    def run(self, steps: int, seeds: int) -> tuple[list[Step], list[list[Norms | None]]]:
        """What is measured before each step: of the activations means over seeds, of one norms."""
        runs: list[list[Step]] = []
        norms: list[list[Norms | None]] = []
        for seed in range(seeds):
            params = begun = self.init(jax.random.key(seed))
            state, first = self.start(params), None
            runs.append([])
            for _ in range(steps):
                if not seed:
                    norms.append(self.norms(params, begun))
                # The first step is its own beginning; its programs are those of the others.
                before = self.nothing if first is None else first
                params, state, values, step = self.step(params, state, before, first is None)
                first = values if first is None else first
                runs[-1].append(jax.device_get(step))
        mean: list[Step] = jax.tree.map(lambda *values: float(np.mean(values)), *runs)
        return mean, norms

    def decays(self) -> list[float]:
        """Which share of each parameter the optimizer takes away where its gradient is zero."""
        optimizer = self.model.optimizer

        @jax.jit
        def decays() -> list[jax.Array]:
            ones, zeros = (
                jax.tree.map(make, self.shapes) for make in (jnp.ones_like, jnp.zeros_like)
            )
            updates, _ = optimizer.update(zeros, optimizer.init(ones), ones)
            return [-jnp.mean(leaf) for leaf in jax.tree.leaves(updates)]

        return list(map(float, decays()))

    def norms(self, params: PyTree, begun: PyTree) -> list[Norms | None]:
        """The spectral norms of all kernels."""
        pairs = zip(jax.tree.leaves(params), jax.tree.leaves(begun), strict=True)
        return [norms_of(*pair, usage) for pair, usage in zip(pairs, self.usage, strict=True)]

    def _step(
        self, params: PyTree, state: PyTree, first: dict[str, Value], is_first: bool
    ) -> tuple[PyTree, PyTree, dict[str, Value], Step]:
        """A step, and what was measured before it."""
        import optax

        values = self._values(params)
        statistics = {
            name: statistics_of(one, jnp.where(is_first, one.value, first[name].value))
            for name, one in values.items()
        }
        loss, gradients = jax.value_and_grad(self.model.loss)(params, self.batch)
        updates, state = self.model.optimizer.update(gradients, state, params)
        params = optax.apply_updates(params, updates)
        return params, state, values, Step(statistics, loss)

    def _values(self, params: PyTree) -> dict[str, Value]:
        """The activations."""
        inputs = [leaf for leaf in jax.tree.leaves(self.batch) if is_array(leaf)]
        found: dict[str, Value] = self.look(*jax.tree.leaves(params), *inputs)[1]
        return found


def followed_loss(model: Model, shapes: PyTree, batch: PyTree) -> Followed:
    """The loss as a program, with what it uses the parameters as, and its activations."""
    found = followed(OWNER, model.loss, shapes, batch)
    outputs = found.traced.jaxpr.out_avals
    if len(outputs) != 1 or outputs[0].shape:
        raise TypeError(
            f"{OWNER}: loss must return one scalar; of the width {model.width} it returns "
            f"{', '.join(map(str, outputs)) or 'nothing'}"
        )
    if not any(one.path is not None for one in found.activations):
        raise ValueError(
            f"{OWNER}: the loss of the width {model.width} uses no parameter as a kernel or a "
            f"table, so there is nothing to measure: {found.usage!r}"
        )
    return found


def in_float32(value: jax.Array) -> jax.Array:
    """A value in the type that statistics are computed in."""
    if jnp.issubdtype(value.dtype, jnp.complexfloating):
        value = jnp.abs(value)
    return value.astype(jnp.float32)


def statistics_of(now: Value, first: jax.Array) -> tuple[jax.Array, ...]:
    """The statistics of an activation, as a `Coordinate` has them, and how often it was made."""
    value = now.value

    def root_mean_square(one: jax.Array) -> jax.Array:
        return jnp.sqrt(jnp.mean(jnp.square(one)))

    return (
        jnp.mean(jnp.abs(value)),
        root_mean_square(value),
        jnp.mean(value),
        jnp.std(value),
        root_mean_square(value - first),
        jnp.sum(now.made),
    )


def norms_of(kernel: jax.Array, first: jax.Array, usage: LeafUsage) -> Norms | None:
    """The spectral norms of a kernel and of its change; none of what has no inputs or outputs."""
    if usage.role != "kernel" or usage.layout is None or not (usage.inputs and usage.outputs):
        return None
    stacks, inputs = (*usage.batch, *usage.stacked), (*usage.inputs, *usage.field)
    now, before = (np.asarray(in_float32(value)) for value in (kernel, first))
    known = functools.partial(spectral, stacks=stacks, inputs=inputs, outputs=usage.outputs)
    with np.errstate(all="ignore"):  # What diverges is found in the activations.
        return Norms(known(now), known(now - before))


def spectral(kernel: HostArray, stacks: Axes, inputs: Axes, outputs: Axes) -> float:
    """The largest singular value over √(outputs / inputs), as a mean over stacks.

    A power iteration finds it from below. It is the host's, as a program for each shape would
    take far longer to be compiled than to run.
    """
    fan_in, fan_out = (math.prod(kernel.shape[axis] for axis in axes) for axes in (inputs, outputs))
    matrices = np.transpose(kernel, (*stacks, *inputs, *outputs)).reshape(-1, fan_in, fan_out)
    found = []
    for matrix in matrices:
        vector = np.random.default_rng(0).standard_normal(fan_out).astype(np.float32)
        for _ in range(ITERATIONS):
            vector = (matrix @ vector) @ matrix
            vector /= np.linalg.norm(vector) or 1
        found.append(np.linalg.norm(matrix @ vector))
    return float(np.mean(found)) * math.sqrt(fan_in / fan_out)
