"""The benchmarks' code must not rot: they run on a trivial pair, and what they write is read."""

import importlib
import json
import shutil
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from tests.benchmarks import harness, models
from tests.benchmarks.harness import Goal, Report, Summary, exactly, ratio


def chosen(monkeypatch, *options):
    monkeypatch.setattr(sys, "argv", ["bench_trivial.py", *options])
    return harness.arguments("A trivial benchmark.")


def test_a_quick_run_writes_a_page_data_and_a_picture(tmp_path, monkeypatch, capsys):
    arguments = chosen(monkeypatch, "--quick", "--out", str(tmp_path))
    assert arguments.quick

    small = jax.jit(lambda: jnp.zeros((64, 64)))
    large = jax.jit(lambda: jnp.zeros((2048, 2048)))
    contestants = {
        name: lambda call=call: harness.timed(call, 3, jax.block_until_ready)
        for name, call in {"small": small, "large": large}.items()
    }
    harness.rounds(contestants, most=1)
    seconds = harness.rounds(contestants, most=9)
    assert [len(values) for values in seconds.values()] == [9, 9]
    against = ratio(seconds["large"], seconds["small"])
    assert against.low <= against.median <= against.high
    # A thousand times as many bytes.
    assert against.median > 3

    report = Report("trivial", "Trivial", "Zeros.", arguments.quick, "nothing")
    report.goals = [
        Goal("large / small", against, 2.0),
        Goal("programs", exactly(3), 2, False, ""),
    ]
    report.table("Times", ["", "time"], [["large", Summary.of(seconds["large"]).show(" s")]])
    report.data = harness.rounded(seconds)
    figure = Figure()
    axis = figure.subplots()
    axis.plot([1, 2], [0.1, 3.0])
    axis.set_yscale("log")
    harness.plain_axis(axis.yaxis)
    report.write(arguments.out, figure)

    page = (tmp_path / "trivial.md").read_text()
    assert page in capsys.readouterr().out
    assert "| large / small |" in page
    assert "| ≥ 2× | met |" in page
    assert "| programs | 3 | ≤ 2 | **missed** |" in page
    assert "quick mode" in page
    assert f"jax {jax.__version__}" in page
    data = json.loads((tmp_path / "trivial.json").read_text())
    assert [goal["is_met"] for goal in data["goals"]] == [True, False]
    assert data["measurements"]["large"] == harness.rounded(seconds)["large"]
    assert (tmp_path / "trivial.png").read_bytes().startswith(b"\x89PNG")


def test_a_quick_run_does_not_overwrite_the_published_results(monkeypatch):
    assert chosen(monkeypatch).out == harness.ROOT / "docs/benchmarks"
    assert chosen(monkeypatch, "--quick").out != chosen(monkeypatch).out


def test_contestants_take_turns_within_the_budget():
    turns = []

    def contestant(name):
        turns.append(name)
        return 1.0

    contestants = {name: lambda name=name: contestant(name) for name in "ABC"}
    harness.rounds(contestants, most=2)
    assert "".join(turns) == "ABCABC"
    assert len(harness.rounds(contestants, most=9, least=3, budget=0.0)["A"]) == 3


def test_ratios_are_formed_within_a_round():
    """A machine that slows down for some rounds changes no ratio."""
    found = ratio([2.0, 20.0, 200.0], [1.0, 10.0, 100.0])
    assert (found.low, found.median, found.high) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize(
    ("value", "shown"), [(12.345, "12.3"), (0.0123456, "0.0123"), (1234.5, "1234"), (0.0, "0")]
)
def test_three_digits_are_shown(value, shown):
    assert harness.digits(value) == shown


def test_a_fresh_process_returns_what_it_prints_last():
    assert harness.fresh("-c", "print('noise'); print([1, 2.5])") == [1, 2.5]
    with pytest.raises(RuntimeError, match="no such thing"):
        harness.fresh("-c", "raise ValueError('no such thing')")


def test_a_worker_answers_each_request():
    code = "from tests.benchmarks import harness; harness.serve(lambda x: x + 1)"
    worker = harness.Worker("-c", code)
    assert [worker.ask(x=x) for x in (1, 2)] == [2, 3]
    worker.close()
    assert worker.process.returncode == 0


def test_the_models_have_the_sizes_of_their_papers():
    def count(tree):
        return sum(leaf.size for leaf in jax.tree.leaves(tree))

    key = jax.random.key(0)
    module, tokens = models.gpt2(12)
    assert count(jax.eval_shape(module.init, key, tokens)) == 124_439_808
    module, image = models.resnet50()
    assert count(jax.eval_shape(module.init, key, image)["params"]) == 25_557_032
    assert len(set(models.checkpoint_paths(1000))) == 1000


PAGE_WIDTH = 7.6  # Inches, in the documentation's theme: a wider picture is shrunk to it.


def test_the_picture_of_draws_can_be_read_on_its_page(monkeypatch):
    draws = script(monkeypatch, "bench_draws")
    figure = draws.picture(*draws.measured(harness.ROOT / "docs/benchmarks"))
    shrunk = min(1.0, PAGE_WIDTH / figure.get_figwidth())
    sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text()]
    assert len(sizes) > 50
    assert min(sizes) * shrunk >= 9


SCRIPTS = [
    "bench_audit",
    "bench_catalogue",
    "bench_draws",
    "bench_models",
    "bench_overhead",
    "bench_signal",
    "bench_usage",
]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_picture_can_be_drawn_anew_from_what_was_measured(name, monkeypatch, tmp_path):
    page = name.removeprefix("bench_")
    shutil.copy(harness.ROOT / f"docs/benchmarks/{page}.json", tmp_path)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--redraw", "--out", str(tmp_path)])
    script(monkeypatch, name).main()
    assert {path.name for path in tmp_path.iterdir()} == {f"{page}.json", f"{page}.png"}
    assert f"({page}.png)" in (harness.ROOT / f"docs/benchmarks/{page}.md").read_text()


def script(monkeypatch, name):
    """A module of the benchmarks as the scripts import it."""
    monkeypatch.syspath_prepend(harness.ROOT / "tests/benchmarks")
    return importlib.import_module(name)


def test_ours_and_jax_draw_the_same(monkeypatch):
    peers = script(monkeypatch, "peers")
    key = jax.random.key(0)
    for law in peers.LAWS:
        ours, theirs = (make(law, 8, "float32", key)() for make in (peers.ours, peers.jax_nn))
        assert ours.shape == theirs.shape == (8, 8)
        assert law == "orthogonal" or not peers.differing_bits(ours, theirs)


def test_all_forms_of_a_call_draw_the_same(monkeypatch):
    overhead = script(monkeypatch, "bench_overhead")
    for law, same in overhead.programs().items():
        bare, function, instance = (call() for call in overhead.forms_of(*same).values())
        assert np.array_equal(bare, function), law
        assert np.array_equal(function, instance), law
