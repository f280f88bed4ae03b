"""Whole models in fresh processes: first call, second call, programs, memory, shardings."""

import sys
from pathlib import Path

import harness
import numpy as np
from harness import COLORS, Goal, Report, Summary, exactly, ratio
from matplotlib.figure import Figure

WORKER = str(Path(__file__).resolve().parent / "model_worker.py")
ABOUT = """\
Every measurement is a fresh process, and the contestants take turns. The clock starts when the
libraries are imported, JAX's backend is up and the key is made; the first call traces, compiles
and runs, and the second call follows after the first result is dropped. `fast_init(init)` is
measured against `jax.jit(init)` of the same function: the same bits, as the checksums of all
parameters in each process show. With rules, `init_params` gets the tree of shapes, and PyTorch
fills tensors of the same shapes in fresh memory (`normal_`, `zeros_` or `ones_`, as the rules
say). Peak memory is the most that the process held during the first call beyond what it held just
before, compilation included. Models whose layers have this library's initializers are the same
models with the same bits. Trees of small leaves are made in turns in one process, after a first
call of each."""
ALT = "First and second call of a model's initialization relative to fast_init or init_params"

# Model -> its name, the goal of the first call, of the second call, rounds.
TRACED = {
    "gpt2-12": ("GPT-2 124M, linen", 5.0, 1.7, 5),
    "gpt2-48": ("GPT-2 of 48 layers, linen", 10.0, 1.7, 3),
    "nnx": ("transformer of 12 layers, nnx", 3.5, None, 3),
    "equinox": ("MLP of 24 layers, Equinox", 3.5, None, 3),
    "haiku": ("MLP of 24 layers, Haiku", 3.5, None, 3),
    "resnet50": ("ResNet-50, linen", 3.0, None, 3),
}
RULED = {
    "gpt2-12": ("GPT-2 124M", 5),
    "resnet50": ("ResNet-50", 5),
}
# The same models with this library's initializers: rounds; goals of `fast_init` against the
# same with JAX's, and of `jax.jit` with JAX's against it.
OWN = {"gpt2-12": (5, 0.9, 5.0), "gpt2-48": (3, 0.9, 12.0)}
OWN_JIT_GOALS = {"first": 0.95, "second": 0.5}
OWN_PROGRAMS_GOAL = 2
PROGRAMS_GOAL = 12
RULED_PROGRAMS_GOAL = 8
MEMORY_GOAL = 1.15
TORCH_GOAL = 2.5
SHARE_GOAL = 1.1
TREES = (100, 1_000, 10_000)
TREE_GOALS = {  # Seconds for 10,000 leaves.
    "init_params first": 1.0,
    "init_params": 0.5,
    "fast_init": 0.5,
    "verify": 1.0,
}
LEAVES = (1_000, 10_000)
LEAVES_NAMES = {
    "init_params": "`init_params`",
    "run": "`plan.run`",
    "stream": "`plan.stream`",
    "fast_init": "`fast_init`",
    "fast_init stream": "`InitPlan.stream`",
    "loop": "`jax.jit(he_normal)` leaf by leaf",
    "draw": "its draws alone",
}
LEAVES_GOALS = {
    ("init_params", "loop"): 1.25,
    ("stream", "run"): 1.5,
    ("fast_init stream", "fast_init"): 2.0,
}


def run(kind, model, **extra):
    return harness.fresh(WORKER, kind, model, **extra)


def take_turns(report, title, kinds, model, count):
    """Fresh processes in turns: {kind: [what each said]}."""
    said = {kind: [] for kind in kinds}
    for _ in range(count):
        for kind in kinds:
            said[kind].append(run(kind, model))
    first = {kind: Summary.of(series(runs, "first")).show(" s") for kind, runs in said.items()}
    report.say(f"{title}: first call {first}")
    return said


def series(runs, name):
    return [found[name] for found in runs]


def compare(slow, fast, name):
    return ratio(series(slow, name), series(fast, name))


def memory(runs):
    return Summary.of([found["peak"] / found["nbytes"] for found in runs])


def measure_traced(report, quick):
    found = {}
    for model, (title, first_goal, second_goal, count) in TRACED.items():
        if quick and model == "gpt2-48":
            continue
        said = take_turns(report, title, ("fast_init", "jit"), model, 1 if quick else count)
        found[model] = said
        fast, slow = said["fast_init"], said["jit"]
        what = f"{title}: `jax.jit(init)` / `fast_init(init)`"
        report.goals.append(Goal(f"{what}, first call", compare(slow, fast, "first"), first_goal))
        if second_goal:
            against = compare(slow, fast, "second")
            report.goals.append(Goal(f"{what}, second call", against, second_goal))
            programs = exactly(fast[0]["programs"])
            at = f"{title}: `fast_init`"
            report.goals += [
                Goal(f"{at}, programs compiled", programs, PROGRAMS_GOAL, False, ""),
                Goal(f"{at}, peak memory / parameter bytes", memory(fast), MEMORY_GOAL, False),
            ]
        same = len({run["checksum"] for runs in said.values() for run in runs}) == 1
        bits = exactly(float(not same))
        report.goals.append(Goal(f"{title}: results that differ from jit's", bits, 0, False, ""))
    return found


def measure_own(report, quick):
    """Models whose layers have this library's initializers, against the same with JAX's."""
    found = {}
    for model, (count, fast_goal, jit_goal) in OWN.items():
        if quick and model == "gpt2-48":
            continue
        kinds = ("fast_init", "jit")
        said = {(kind, own): [] for kind in kinds for own in (True, False)}
        for number in range(1 if quick else count):
            # Fresh memory is slow for some time after a large process has ended, so the first
            # run is for nothing, and the order changes.
            run("fast_init", model)
            for kind in kinds:
                for own in (True, False) if number % 2 else (False, True):
                    said[kind, own].append(run(kind, f"{model}-own" if own else model))
        title = TRACED[model][0]
        ours, theirs = "with own initializers", "with JAX's"
        fast, jitted = said["fast_init", True], said["jit", True]
        report.goals += [
            Goal(
                f"{title}: `fast_init` {ours} / {theirs}, first call",
                compare(fast, said["fast_init", False], "first"),
                fast_goal,
                False,
            ),
            Goal(
                f"{title}: `jax.jit(init)` {theirs} / `fast_init` {ours}, first call",
                compare(said["jit", False], fast, "first"),
                jit_goal,
            ),
            Goal(
                f"{title}: `fast_init` {ours}, programs compiled",
                exactly(fast[0]["programs"]),
                OWN_PROGRAMS_GOAL,
                False,
                "",
            ),
        ]
        if model == "gpt2-12":
            report.goals += [
                Goal(
                    f"{title}: `jax.jit(init)` {ours} / {theirs}, {name} call",
                    compare(jitted, said["jit", False], name),
                    goal,
                    False,
                )
                for name, goal in OWN_JIT_GOALS.items()
            ]
        same = len({one["checksum"] for runs in said.values() for one in runs}) == 1
        bits = exactly(float(not same))
        report.goals.append(Goal(f"{title}, {ours}: results that differ", bits, 0, False, ""))
        found[model] = {
            f"{kind}, {'own' if own else 'jax.nn'}": runs for (kind, own), runs in said.items()
        }
        for name, runs in found[model].items():
            report.say(f"{title}, {name}: {Summary.of(series(runs, 'first')).show(' s')}")
    return found


def measure_ruled(report, quick):
    found = {}
    for model, (title, count) in RULED.items():
        said = take_turns(
            report, f"{title} by rules", ("init_params", "torch"), model, 1 if quick else count
        )
        found[model] = said
        ours, torch = said["init_params"], said["torch"]
        if model == "gpt2-12":
            report.goals += [
                Goal(
                    f"{title}: `init_params` / torch's `normal_`, first call",
                    compare(ours, torch, "first"),
                    TORCH_GOAL,
                    False,
                ),
                Goal(
                    f"{title}: `init_params`, peak memory / parameter bytes",
                    memory(ours),
                    MEMORY_GOAL,
                    False,
                ),
            ]
        else:
            programs = exactly(ours[0]["programs"])
            report.goals.append(
                Goal(f"{title}: draw programs by rules", programs, RULED_PROGRAMS_GOAL, False, "")
            )
    return found


def measure_sharded(report):
    found = {
        kind: run(kind, "sharded", XLA_FLAGS="--xla_force_host_platform_device_count=8")
        for kind in ("sharded_fast_init", "sharded_init_params")
    }
    for kind, layouts in found.items():
        name = kind.removeprefix("sharded_")
        worst = max(layouts, key=lambda layout: layout["live_over_share"])
        bits = sum(layout["differing_bits"] for layout in layouts)
        report.goals += [
            Goal(
                f"8 devices, {len(layouts)} layouts: `{name}`, live bytes of a device / its share",
                exactly(worst["live_over_share"]),
                SHARE_GOAL,
                False,
            ),
            Goal(
                f"8 devices, {len(layouts)} layouts: `{name}`, bits that differ from one device",
                exactly(bits),
                0,
                False,
                "",
            ),
        ]
        report.say(f"{name} on 8 devices: {worst['live_over_share']} of its share, {bits} bits")
    return found


def measure_paths(report, quick):
    found = run("paths", str(10_000 if quick else 1_000_000))
    what = f"{found['paths']:,} realistic paths: keys that collide"
    report.goals.append(Goal(what, exactly(found["collisions"]), 0, False, ""))
    return found


def measure_leaves(report, quick):
    """Trees of many small leaves, where all that surrounds the draws shows."""
    found = {count: run("leaves", str(count)) for count in LEAVES if not (quick and count > 1000)}
    for count, seconds in found.items():
        for (fast, slow), goal in LEAVES_GOALS.items():
            against = ratio(seconds[fast], seconds[slow])
            what = f"{count:,} small leaves: {LEAVES_NAMES[fast]} / {LEAVES_NAMES[slow]}"
            report.goals.append(Goal(what, against, goal, False))
            report.say(f"{what}: {against.show()}")
    return found


def measure_trees(report, quick):
    """Trees of kernels and biases, from a first call to the check of them."""
    found = {count: run("tree", str(count)) for count in TREES if not (quick and count > 1000)}
    if 10_000 in found:
        for name, goal in TREE_GOALS.items():
            what = f"10,000 leaves (64 × 64, and 64): {TREE_NAMES[name]}"
            seconds = Summary.of(found[10_000][name])
            report.goals.append(Goal(what, seconds, goal, False, " s"))
    return found


TREE_NAMES = {
    "init_params first": "`init_params`, first call",
    "init_params": "`init_params`, second call",
    "fast_init first": "`fast_init`, first call",
    "fast_init": "`fast_init`, second call",
    "verify": "`verify`",
}


def write_own(report, own, trees):
    """The tables of what has this library's initializers."""
    rows = [
        [
            f"{TRACED[model][0]}: {name}",
            Summary.of(series(runs, "first")).show(" s"),
            Summary.of(series(runs, "second")).show(" s"),
        ]
        for model, said in own.items()
        for name, runs in said.items()
    ]
    title = "This library's initializers against JAX's, in the same model"
    report.table(title, ["", "first call", "second call"], rows)
    rows = [
        [
            f"{count:,}",
            *(Summary.of(seconds[name]).show(" s") for name in TREE_NAMES),
        ]
        for count, seconds in trees.items()
    ]
    report.table("Trees of small leaves", ["leaves", *TREE_NAMES.values()], rows)


def write_tables(report, traced, ruled, sharded):
    rows = []
    for model, said in traced.items():
        fast, slow = said["fast_init"], said["jit"]
        rows.append(
            [
                TRACED[model][0],
                Summary.of(series(fast, "first")).show(" s"),
                compare(slow, fast, "first").show(),
                Summary.of(series(fast, "second")).show(" s"),
                compare(slow, fast, "second").show(),
                str(fast[0]["programs"]),
            ]
        )
    head = ["", "first call", "jit / ours", "second call", "jit / ours", "programs"]
    report.table("`fast_init(init)` against `jax.jit(init)`", head, rows)
    rows = []
    for model, said in ruled.items():
        ours, torch = said["init_params"], said["torch"]
        rows.append(
            [
                RULED[model][0],
                Summary.of(series(ours, "first")).show(" s"),
                compare(ours, torch, "first").show(),
                Summary.of(series(ours, "second")).show(" s"),
                compare(ours, torch, "second").show(),
                str(ours[0]["programs"]),
            ]
        )
    head = ["", "first call", "ours / torch", "second call", "ours / torch", "programs"]
    report.table("`init_params` with rules against PyTorch", head, rows)
    rows = [
        [
            f"{(TRACED if kind in ('fast_init', 'jit') else RULED)[model][0]}, `{kind}`",
            f"{said[kind][0]['nbytes'] / 2**20:,.0f} MiB",
            memory(said[kind]).show(),
        ]
        for table in (traced, ruled)
        for model, said in table.items()
        for kind in said
    ]
    report.table("Memory", ["", "parameters", "peak / parameters"], rows)
    report.text(
        "The peak includes what XLA's compiler needs, some tens of MiB, which weighs the more the "
        "smaller the model is."
    )
    rows = [
        [
            layout["layout"],
            *(digits_of(found[at], name) for found in sharded.values() for name in COLUMNS),
        ]
        for at, layout in enumerate(sharded["sharded_fast_init"])
    ]
    head = ["mesh and layout of the matrices"]
    for kind in sharded:
        name = kind.removeprefix("sharded_")
        head += [f"`{name}`: live / share", f"`{name}`: differing bits"]
    report.table("Eight virtual devices", head, rows)


COLUMNS = ("live_over_share", "differing_bits")


def digits_of(layout, name):
    value = layout[name]
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def picture(traced, ruled):
    """First and second calls relative to this library's, and memory."""
    figure = Figure(figsize=(12, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    rows = [
        (TRACED[m][0], said["jit"], said["fast_init"], TRACED[m][1:3]) for m, said in traced.items()
    ]
    # Against PyTorch the goal is how many times longer ours may take.
    rows += [
        (
            f"{RULED[m][0]}, by rules",
            said["torch"],
            said["init_params"],
            (1 / TORCH_GOAL if m == "gpt2-12" else None, None),
        )
        for m, said in ruled.items()
    ]
    for place, (_, peer, ours, goals) in enumerate(rows):
        color = COLORS["jax.nn"] if place < len(traced) else COLORS["torch"]
        for name, offset, alpha, goal in zip(
            ("first", "second"), (-0.2, 0.2), (1.0, 0.45), goals, strict=True
        ):
            found = compare(peer, ours, name)
            error = [[found.median - found.low], [found.high - found.median]]
            left.barh(
                place + offset,
                found.median - 1,
                left=1,
                xerr=error,
                height=0.36,
                color=color,
                alpha=alpha,
                ecolor="#444444",
            )
            if goal:
                left.plot([goal] * 2, [place + offset - 0.2, place + offset + 0.2], **GOAL_LINE)
            wide = max(found.high, 1)
            left.annotate(
                found.show().split(" ")[0],
                (wide, place + offset),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
    left.set_xscale("log")
    low, high = left.get_xlim()
    left.set_xlim(min(low, 1 / TORCH_GOAL / 1.3), high * 1.4)
    harness.plain_axis(left.xaxis)
    left.axvline(1, color=COLORS["cthulhu"], linewidth=2)
    left.set_yticks(range(len(rows)), [row[0] for row in rows])
    left.invert_yaxis()
    left.set_xlabel("time / time of cthulhu (right of 1: slower than cthulhu)")
    left.set_title("Upper bar: first call; lower bar: second call", fontsize=10)
    left.plot([], [], color=COLORS["jax.nn"], linewidth=6, label="jax.jit(init)")
    left.plot([], [], color=COLORS["torch"], linewidth=6, label="torch")
    left.plot([], [], label="goal", **GOAL_LINE)
    left.legend(fontsize=8, loc="lower right")

    bars = [(f"{TRACED[m][0]}\n{kind}", said[kind]) for m, said in traced.items() for kind in said]
    bars = [bar for bar in bars if bar[0].startswith("GPT")]
    bars.append((f"{RULED['gpt2-12'][0]}\ninit_params", ruled["gpt2-12"]["init_params"]))
    bars.append((f"{RULED['gpt2-12'][0]}\ntorch", ruled["gpt2-12"]["torch"]))
    peaks = [memory(runs) for _, runs in bars]
    middle = np.array([peak.median for peak in peaks])
    error = [middle - [peak.low for peak in peaks], [peak.high for peak in peaks] - middle]
    ours = [name.endswith(("fast_init", "init_params")) for name, _ in bars]
    colors = ["#444444" if own else "#bbbbbb" for own in ours]
    right.barh(range(len(bars)), middle, xerr=error, color=colors, ecolor="#888888", height=0.6)
    right.axvline(1, color="#888888", linewidth=1)
    right.axvline(MEMORY_GOAL, label=f"goal of cthulhu: {MEMORY_GOAL}", **GOAL_LINE)
    right.legend(fontsize=8, loc="lower right")
    right.set_yticks(range(len(bars)), [name for name, _ in bars], fontsize=8)
    right.invert_yaxis()
    right.set_title("Peak memory / parameter bytes", fontsize=10)
    return figure


GOAL_LINE = {"color": "#000000", "linestyle": (0, (1.5, 1)), "linewidth": 1.8}


def main():
    chosen = harness.arguments(__doc__)
    if chosen.redraw:
        data = harness.stored(chosen.out, "models")
        harness.save(picture(data["traced"], data["ruled"]), chosen.out, "models")
        return
    report = Report("models", "Models", ABOUT, chosen.quick, ALT)
    traced = measure_traced(report, chosen.quick)
    own = measure_own(report, chosen.quick)
    trees = measure_trees(report, chosen.quick)
    ruled = measure_ruled(report, chosen.quick)
    sharded = measure_sharded(report)
    report.data = {
        "traced": traced,
        "own": own,
        "trees": trees,
        "ruled": ruled,
        "sharded": sharded,
        "paths": measure_paths(report, chosen.quick),
        "leaves": measure_leaves(report, chosen.quick),
    }
    write_own(report, own, trees)
    write_tables(report, traced, ruled, sharded)
    report.write(chosen.out, picture(traced, ruled))


if __name__ == "__main__":
    sys.exit(main())
