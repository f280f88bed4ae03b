"""The examples run and show what they say; the documentation names everything public."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import jax
import numpy as np
import pytest

import cthulhu
from cthulhu import functional, initializers

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
DOCS = ROOT / "docs"


def load(name: str) -> ModuleType:
    """An example as a module of its own."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_is_tested():
    tested = {name for name in globals() if name.startswith("test_example_")}
    assert tested == {f"test_example_{path.stem}" for path in EXAMPLES.glob("*.py")}


def test_example_gpt2(capsys):
    gpt2 = load("gpt2")
    with jax.numpy_dtype_promotion("standard"):  # Optax's Adam needs it.
        curves = gpt2.main(steps=12)
    assert len(curves) == 3
    for losses in curves.values():
        assert abs(losses[0] - np.log(len(gpt2.VOCABULARY))) < 0.1
        assert losses[-1] < losses[0] - 0.3
    assert "by gpt2:openai, 9 parameters are otherwise" in capsys.readouterr().out


def test_example_stream_checkpoint(tmp_path, capsys):
    report = load("stream_checkpoint").main(tmp_path)
    assert [wrong.path for wrong in report.mismatches] == ["Dense_3/kernel"]


def test_example_partial_checkpoint(tmp_path, capsys):
    params = load("partial_checkpoint").main(tmp_path)
    assert set(params) == {"body", "digits", "letters"}
    assert params["digits"]["bias"].tolist() == [1] * 10
    assert params["letters"]["bias"].tolist() == [0] * 10
    printed = capsys.readouterr().out
    assert printed.count("True") == 6
    assert printed.count("checkpoint") == 4
    assert "False" not in printed


@pytest.mark.parametrize("name", ["partial_checkpoint", "stream_checkpoint"])
def test_a_checkpoint_leaves_nothing_behind(name, tmp_path):
    script = str(EXAMPLES / f"{name}.py")
    paths = {"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    environment = {**os.environ, **paths}
    for arguments, left in (((), set()), (("kept",), {"kept"})):
        subprocess.run(
            [sys.executable, script, *arguments],
            cwd=tmp_path,
            env=environment,
            check=True,
            timeout=120,
            stdout=subprocess.DEVNULL,
        )
        assert {path.name for path in tmp_path.iterdir()} == left


def test_what_leads_to_a_label_does_not_look_like_a_loss(tmp_path):
    quickstart = load("quickstart")
    ends = {"first": 0.5, "second": 0.49, "third": 2.0}
    runs = {name: quickstart.Run([2.3, 1.0, end], 0.5, 1.0) for name, end in ends.items()}
    (axes,) = quickstart.draw(runs, 4, tmp_path / "curves.png").axes
    curves = [line for line in axes.lines if line.get_transform() == axes.transData]
    beside = [line for line in axes.lines if line not in curves]
    assert len(curves) == len(runs)
    assert len(beside) == 2 * len(runs)
    for line in beside:
        flat = line.get_ydata()[0] == line.get_ydata()[1]
        assert min(line.get_xdata()) > 1, "outside of the axes"
        assert flat or line.get_color() not in {curve.get_color() for curve in curves}


def test_example_quickstart(tmp_path, capsys):
    quickstart = load("quickstart")
    picture = tmp_path / "new" / "curves.png"
    # Optax's Adam mixes float and int32, which the strict setting refuses.
    with jax.numpy_dtype_promotion("standard"):
        runs = quickstart.main(["--epochs", "6", "--depth", "4", "--out", str(picture)])
    assert tuple(runs) == quickstart.INITIALIZERS
    assert all(np.isfinite(run.losses).all() and len(run.losses) == 7 for run in runs.values())
    # Chance is 10 %.
    for name in ("lecun_normal", "glorot_uniform", "he_normal", "orthogonal"):
        assert runs[name].accuracy > 0.8, name
        assert runs[name].losses[-1] < runs[name].losses[0] / 4, name
    assert runs["zeros"].accuracy < 0.2
    assert runs["zeros"].losses[-1] == pytest.approx(np.log(10), abs=0.01)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000
    printed = capsys.readouterr().out
    assert all(name in printed for name in runs)


def test_quickstart_is_reproducible(tmp_path):
    quickstart = load("quickstart")
    console = quickstart.Console(quiet=True)
    with jax.numpy_dtype_promotion("standard"):
        first, again, other = (
            quickstart.train_all(["he_normal"], depth=2, epochs=1, seed=seed, console=console)
            for seed in (3, 3, 4)
        )
    assert first["he_normal"].losses == again["he_normal"].losses
    assert first["he_normal"].losses != other["he_normal"].losses


@pytest.mark.parametrize("flag", ["--epochs", "--depth"])
def test_quickstart_refuses_nothing_to_do(flag, capsys):
    with pytest.raises(SystemExit):
        load("quickstart").main([flag, "0"])
    assert f"{flag} must be at least 1; got 0" in capsys.readouterr().err


def test_example_flax_linen(capsys):
    params = load("flax_linen").main()
    attention = params["MultiHeadDotProductAttention_0"]
    assert float(params["Conv_0"]["kernel"].std()) == pytest.approx((2 / 144) ** 0.5, rel=0.05)
    assert not np.array_equal(attention["query"]["kernel"], attention["key"]["kernel"])
    assert "largest |QᵀQ - I| is below 1e-5: True" in capsys.readouterr().out


def test_example_flax_nnx(capsys):
    block = load("flax_nnx").main()
    assert float(block.up.kernel[...].std()) == pytest.approx((2 / 64) ** 0.5, rel=0.05)
    printed = capsys.readouterr().out
    assert printed.count("True") == 3
    assert "False" not in printed


def test_example_functional(capsys):
    arrays = load("functional").main()
    assert not np.array_equal(arrays["ensemble"][0], arrays["ensemble"][1])
    assert arrays["sharded"].sharding.num_devices == jax.device_count()
    printed = capsys.readouterr().out
    assert printed.count("True") == 3
    assert "False" not in printed


def test_example_custom(capsys):
    params = load("custom").main()
    kernel = np.asarray(params["layers_1"]["kernel"])
    assert np.count_nonzero(kernel) == np.count_nonzero(np.diag(kernel)) == 64
    printed = capsys.readouterr().out
    assert "Mixture(stddev=0.1" in printed
    assert "False" not in printed


def test_example_mup(tmp_path, capsys):
    example = load("mup")
    with jax.numpy_dtype_promotion("standard"):  # Optax's Adam needs it.
        checks, curves = example.main(["--quick", "--out", str(tmp_path)])
    found = {(one.parametrization, one.error): check for one, check in checks.items()}
    assert max(found["standard", None].slopes()["readout/kernel"][1:]) > 0.4
    assert not found["muP", None].failures(tolerance=0.2)
    logits = found["muP", "attention"].slopes()["Transformer/block_1/bqhd,bkhd->bhqk"]
    assert logits[2] > 0.25
    decays = [one for one in found["muP", "decay"].failures() if not one.step]
    assert len(decays) == 12
    best = {name: list(map(example.best, widths.values())) for name, widths in curves.items()}
    assert best["muP"][0] == best["muP"][1]
    assert best["standard"][0] > best["standard"][1]
    assert "the decay of block_0/down/kernel: slope -1.00" in capsys.readouterr().out
    for name in ("mlp_standard", "mlp_muP", "transfer"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name


def test_example_depth(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")  # A narrow terminal cuts names.
    example = load("depth")
    out = tmp_path / "new" / "depth.png"
    with jax.numpy_dtype_promotion("standard"):  # Optax's Adam needs it.
        outcomes = example.main(["--steps", "60", "--out", str(out)])
    stuck = outcomes["random_uniform"]
    assert abs(stuck.losses[-1] - np.log(10)) < 0.05
    assert stuck.signal.leaves[-2].rms == stuck.signal.leaves[0].gradient == 0
    for name in ("orthogonal", "calibrate"):
        assert outcomes[name].losses[-1] < 1.0
        assert outcomes[name].accuracy > 0.7
    sizes = [row.rms for row in outcomes["calibrate"].signal.leaves]
    np.testing.assert_allclose(sizes, example.TARGET, rtol=0.15)  # With its mean.
    assert "random_uniform" in capsys.readouterr().out
    assert out.read_bytes().startswith(b"\x89PNG")


def test_example_bf16(tmp_path, capsys):
    bf16 = load("bf16")
    picture = tmp_path / "bf16.png"
    seen = bf16.main(["--count", str(2**20), "--out", str(picture)])
    narrow, wide, law = (
        seen[one] for one in (("bfloat16", "jax.nn"), ("bfloat16", "cthulhu"), ("real", "the law"))
    )
    assert narrow.distinct == 128
    assert narrow.far == 0
    assert narrow.errors < -8
    # The key is fixed: of others, one in 16,000, in 4,600 and in 350 would be farther off.
    assert abs(wide.errors) < 4
    assert wide.far == pytest.approx(law.far, rel=0.07)
    assert 4.5 < wide.largest < 6
    assert 0 < wide.smallest < 1e-5
    assert seen["float32", "jax.nn"] == seen["float32", "cthulhu"]
    printed = capsys.readouterr().out
    assert "bfloat16, jax.nn: the mean is -" in printed
    assert "cthulhu: the mean is" not in printed
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_bf16_tells_the_extremes_of_the_law():
    """Of draws in float64, the median of the extremes, within four standard errors."""
    law, generator = load("bf16").law(1000), np.random.default_rng(0)
    size = np.abs(generator.standard_normal((10_000, 1000)))
    for share in (
        (size.max(axis=1) < law.largest).mean(),
        (size.min(axis=1) < law.smallest).mean(),
    ):
        assert share == pytest.approx(0.5, abs=0.02)


def test_bias_in_layers_grows_with_the_inputs():
    means = load("bf16").biases(jax.random.key(0))
    assert means["jax.nn"][-1] < -0.5
    assert means["jax.nn"] == sorted(means["jax.nn"], reverse=True)
    assert max(map(abs, means["cthulhu"])) < 4 / np.sqrt(1024)


def test_example_audit(tmp_path, capsys):
    audit = load("audit")
    picture = tmp_path / "audit.png"
    models = audit.main(["--out", str(picture)])
    healthy = models["nothing"]
    assert healthy.report == healthy.check == {}
    kinds = {
        "twice as wide": ("stddev", "scale"),
        "not scaled by depth": ("stddev", "depth"),
        "one number": ("dead", "dead"),
        "one NaN": ("non-finite", "non-finite"),
        "drawn in bfloat16": ("narrow", "narrow"),
    }
    assert kinds.keys() == audit.FAULTS.keys() == models.keys() - {"nothing"}
    for name, (reported, checked) in kinds.items():
        path = audit.FAULTS[name].path
        assert models[name].report == {path: [reported]}
        assert list(models[name].check) == [path]
        assert list(models[name].check[path]) == [checked]
        where = path if name != "drawn in bfloat16" else "as if healthy"
        assert audit.departs(models[name], healthy).startswith(where)
    assert "the scale by depth is missing" in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_page_of_initializers_names_every_class():
    page = (DOCS / "initializers.md").read_text()
    classes = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", page, re.MULTILINE))
    named = {name for name in initializers.__all__ if name[0].isupper()}
    # The base class makes nothing, so it has no law and no row.
    assert set(classes) == named - {"Initializer"}
    assert "`Initializer`" in page
    assert all(f"\n| {name} |" in page for name in classes), "the table of moments lacks a class"
    for name, snake in classes.items():
        assert getattr(initializers, snake) is getattr(initializers, name)
        assert hasattr(functional, snake)


def test_the_page_of_initializers_names_every_function():
    page = (DOCS / "initializers.md").read_text()
    for name in (*functional.__all__, *initializers.__all__):
        assert f"`{name}`" in page, name


def test_every_public_module_has_an_api_page():
    documented = {path.stem for path in (DOCS / "api").glob("*.md")}
    modules = {name for name in cthulhu.__all__ if isinstance(getattr(cthulhu, name), ModuleType)}
    assert modules | {"cthulhu", "fans", "typing"} <= documented


def test_the_files_that_the_readme_names_exist():
    named = re.findall(r"`((?:tests|examples|docs)/[^`]*)`", (ROOT / "README.md").read_text())
    assert "tests/test_jax_equality.py" in named
    assert [name for name in named if not (ROOT / name).exists()] == []
