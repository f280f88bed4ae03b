"""What the signal of a model costs over its loss and gradients, in a call and in a first one."""

import os
import sys
import time

os.environ["JAX_PLATFORMS"] = "cpu"

import harness
import jax
import jax.numpy as jnp
import models
from harness import Goal, Report, Summary, ratio
from matplotlib.figure import Figure

from cthulhu.diagnostics import _signal, signal
from cthulhu.initializers import HeNormal

ABOUT = """\
`signal` runs a model once forward and once back, and measures each layer and each residual stream
on the way. Its compiled program is compared with that of the loss and of its gradients, for all
parameters and for the inputs that have one, of the same function in one `jax.jit`; and with the
loss alone. A whole call also traces the function, to know whether its program is one that was kept.
A first call finds the layers, and compiles; it is compared with the first call of the gradients. A
figure is a median over rounds with its quartiles, and a ratio is formed within each round."""
ALT = (
    "For each model a bar for the compiled program of signal and one for a whole call: its time "
    "over that of the loss and its gradients, with a line at the goal. The table holds the figures."
)
GOAL = 2.0
KINDS = ("the program", "a call")


def gpt2():
    """GPT-2 with four layers of 256 units: its loss, parameters, tokens; and what has gradients."""
    model, _ = models.gpt2(4)
    model = model.clone(width=256, heads=4, vocabulary=8192, context=128)
    tokens = jax.random.randint(jax.random.key(1), (8, 128), 0, 8192)
    params = jax.jit(model.init)(jax.random.key(0), tokens)["params"]

    def loss(params, tokens):
        logits = jax.nn.log_softmax(model.apply({"params": params}, tokens))
        return -jnp.mean(jnp.take_along_axis(logits, tokens[..., None], -1))

    return loss, params, tokens, (0,)


def mlp():
    """Fifty layers of ReLU with 512 units, and a batch of 256."""
    kernels = [HeNormal()(key, (512, 512)) for key in jax.random.split(jax.random.key(0), 50)]

    def loss(kernels, x):
        for kernel in kernels:
            x = jax.nn.relu(x @ kernel)
        return jnp.mean(jnp.square(x))

    return loss, kernels, jax.random.normal(jax.random.key(1), (256, 512)), (0, 1)


MODELS = {"GPT-2, 4 layers": gpt2, "MLP, 50 layers": mlp}


def contestants(loss, params, x, known):
    """What is measured: each call takes its own time."""
    gradients = jax.jit(jax.value_and_grad(loss, known))
    alone = jax.jit(loss)
    program, arrays, behind = _signal.measured("bench", loss, params, (x,), None, True)
    values = _signal.parameters(params)

    def timed(call):
        def measure():
            start = time.perf_counter()
            jax.block_until_ready(call())
            return time.perf_counter() - start

        measure()
        return measure

    return {
        "the loss": timed(lambda: alone(params, x)),
        "loss and gradients": timed(lambda: gradients(params, x)),
        "the program": timed(lambda: program.run(values, arrays, behind)),
        "a call": timed(lambda: signal(loss, params, x) and None),
    }


def first(loss, params, x, known):
    """Of first calls: each is of a function that JAX has not seen."""

    def timed(call):
        def measure():
            def fresh(*args):
                return loss(*args)

            start = time.perf_counter()
            jax.block_until_ready(call(fresh))
            return time.perf_counter() - start

        return measure

    return {
        "loss and gradients": timed(lambda fn: jax.jit(jax.value_and_grad(fn, known))(params, x)),
        "a call": timed(lambda fn: signal(fn, params, x) and None),
    }


def picture(found):
    """Two bars for each model."""
    figure = Figure(figsize=(8.4, 2.6), layout="constrained")
    axis = figure.add_subplot()
    over = {
        f"{model}: {kind}": ratio(one[kind], one["loss and gradients"])
        for model, one in found.items()
        for kind in KINDS
    }
    errors = [
        [one.median - one.low for one in over.values()],
        [one.high - one.median for one in over.values()],
    ]
    medians = [one.median for one in over.values()]
    axis.barh(list(over), medians, xerr=errors, color="#0072B2", height=0.5)
    axis.axvline(GOAL, color="#444444", linestyle=":")
    axis.invert_yaxis()
    axis.set_xlim(left=0)
    axis.grid(axis="x", color="#eeeeee")
    axis.set_axisbelow(True)
    axis.set_title("signal / loss and gradients; dotted: the goal", loc="right", fontsize=11)
    return figure


def main():
    chosen = harness.arguments(__doc__)
    if chosen.redraw:
        harness.save(picture(harness.stored(chosen.out, "signal")["models"]), chosen.out, "signal")
        return
    report = Report("signal", "Signal", ABOUT, chosen.quick, ALT)
    found, begun = {}, {}
    for name, make in MODELS.items():
        given = make()
        most, few = (5, 1) if chosen.quick else (41, 5)
        found[name] = harness.rounds(contestants(*given), most=most, budget=60.0)
        begun[name] = harness.rounds(first(*given), most=few, least=few, budget=60.0)
        over = ratio(found[name]["the program"], found[name]["loss and gradients"])
        report.say(f"{name}: {over.show()}")
    report.goals = [
        Goal(f"{name}: {kind} / loss and gradients", over, GOAL, at_least=False)
        for name, one in found.items()
        for kind in KINDS
        for over in [ratio(one[kind], one["loss and gradients"])]
    ]
    columns = list(next(iter(found.values())))
    rows = [
        [name, *(Summary.of(one[kind]).show(" ms", 1e3) for kind in columns)]
        for name, one in found.items()
    ]
    report.table("Times", ["", *columns], rows)
    rows = [
        [name, *(Summary.of(one[kind]).show(" s") for kind in one)] for name, one in begun.items()
    ]
    report.table("First calls", ["", "loss and gradients", "signal"], rows)
    report.data = {
        "unit": "seconds a call, by round",
        "models": {name: harness.rounded(one) for name, one in found.items()},
        "first": {name: harness.rounded(one) for name, one in begun.items()},
    }
    report.write(chosen.out, picture(found))


if __name__ == "__main__":
    sys.exit(main())
