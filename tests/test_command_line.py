"""``python -m cthulhu``: what each command prints, its status, and what it says of a wrong use."""

import gc
import json
import os
import pickle
import subprocess
import sys
import weakref
import zipfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from cthulhu import __main__ as command_line
from cthulhu import recipes
from cthulhu.__main__ import main
from cthulhu.diagnostics import TreeReport
from cthulhu.diagnostics._checkpoints import load
from cthulhu.params import init_params
from cthulhu.trees import flatten, join

SMALL = {"layers": 2, "width": 64, "hidden": 256, "vocabulary": 300, "positions": 50}
TREE = recipes.shapes("gpt2", **SMALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints of one model in all formats, and of one that is wrong."""
    folder = tmp_path_factory.mktemp("checkpoints")
    params = init_params(0, TREE, recipes.rules("gpt2"))
    paths, leaves, _ = flatten(params)
    slashes = {join(path): np.asarray(leaf) for path, leaf in zip(paths, leaves, strict=True)}
    dots = {name.replace("/", "."): leaf for name, leaf in slashes.items()}
    save_file(dots, folder / "good.safetensors", {"format": "np"})
    half = dict(list(dots.items())[:5]), dict(list(dots.items())[5:])
    (folder / "parts").mkdir()
    for at, part in enumerate(half):
        save_file(part, folder / "parts" / f"model-{at}.safetensors")
    np.savez(folder / "good.npz", **slashes)
    np.savez_compressed(folder / "packed.npz", **slashes)
    np.savez(folder / "within.npz", **{f"params/{name}": one for name, one in slashes.items()})
    wrong = {**dots, "layers.1.mlp.in.kernel": dots["layers.1.mlp.in.kernel"].copy()}
    wrong["layers.1.mlp.in.kernel"][3, 4] = np.nan
    save_file(wrong, folder / "wrong.safetensors")
    (folder / "empty").mkdir()
    (folder / "text.txt").write_text("no checkpoint of any kind, but a text")
    (folder / "cut.safetensors").write_bytes((folder / "good.safetensors").read_bytes()[:-100])
    (folder / "header.safetensors").write_bytes(b"\xff" * 7 + b"\0{")
    (folder / "old.bin").write_bytes(pickle.dumps({"w": 1}, protocol=2))
    with zipfile.ZipFile(folder / "new.pt", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"w": 1}))
    with zipfile.ZipFile(folder / "other.zip", "w") as archive:
        archive.writestr("read.me", "no arrays")
    np.savez(folder / "objects.npz", w=np.array([{}], object))
    np.savez(folder / "twice.npz", **{"a/b": np.ones(3), "a": np.ones(3)})
    np.savez(folder / "nothing.npz")
    (folder / "broken.npz").write_bytes((folder / "good.npz").read_bytes()[-5000:])
    return folder


@pytest.fixture(scope="module")
def orbax(folder: Path) -> Path:
    """The model as Orbax saves it: a tree, and the second step of a manager."""
    import orbax.checkpoint as ocp

    params = init_params(0, TREE, recipes.rules("gpt2"))
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder / "tree", params)
    with ocp.CheckpointManager(folder / "steps") as manager:
        manager.save(
            3, args=ocp.args.StandardSave({"params": jax.tree.map(jnp.zeros_like, params)})
        )
        manager.save(20, args=ocp.args.StandardSave({"params": params}))
        manager.wait_until_finished()
    return folder


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables as wide as all that they hold."""
    monkeypatch.setenv("COLUMNS", "400")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The status of a command, what it prints and what it says."""
    status = main(arguments)
    return status, *capsys.readouterr()


FORMATS = ("good.safetensors", "parts", "good.npz", "packed.npz")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_holds_the_same(name: str, folder: Path) -> None:
    found = load(folder / name)
    expected = init_params(0, TREE, recipes.rules("gpt2"))
    assert jax.tree.map(lambda one: (one.shape, one.dtype), found) == jax.tree.map(
        lambda one: (one.shape, one.dtype), expected
    )
    jax.tree.map(np.testing.assert_array_equal, jax.tree.map(np.asarray, found), expected)


@pytest.mark.parametrize(("name", "under"), [("tree", ""), ("steps", "params")])
def test_what_orbax_saved(
    name: str, under: str, orbax: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--recipe", "gpt2", *(("--under", under) if under else ()))
    for command in ("report", "check"):
        status, out, err = run(capsys, command, str(orbax / name), *arguments)
        assert (status, err.replace("\n", "")) == (0, ""), err
        assert "layers/1/mlp/out/kernel" in out


NARROW = {"bfloat16": jnp.bfloat16, "float16": np.float16, "float8_e5m2": jnp.float8_e5m2}


@pytest.mark.parametrize("dtype", NARROW)
def test_narrow_types_and_orders_are_read(dtype: str, tmp_path: Path) -> None:
    values = np.arange(12).reshape(3, 4).astype(NARROW[dtype])
    save_file({"w": values}, tmp_path / "w.safetensors")
    found = {"safetensors": load(tmp_path / "w.safetensors")["w"]}
    if dtype != "float8_e5m2":  # NumPy's format does not tell one of 8 bits from another.
        for save in (np.savez, np.savez_compressed):
            save(tmp_path / f"{save.__name__}.npz", w=np.asfortranarray(values))
            found[save.__name__] = load(tmp_path / f"{save.__name__}.npz")["w"]
    for one in found.values():
        assert one.dtype == values.dtype
        np.testing.assert_array_equal(np.asarray(one), values)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("command", ["report", "check"])
def test_a_checkpoint_that_is_well(
    command: str, name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, command, str(folder / name), "--recipe", "gpt2")
    assert (status, err) == (0, "")
    assert "embedding/table" in out
    assert {"report": "all healthy", "check": "all as they should be"}[command] in out


WRONG = {
    "a report without rules": (["report"], "layers/1/mlp/in/kernel: 1 of 16384 values"),
    "a report": (["report", "--recipe", "gpt2"], "What to do:\n  non-finite: find"),
    "a check": (["check", "--recipe", "gpt2"], "1 of 30 parameters are not as they should be"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_checkpoint_that_is_not(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (command, *options), said = WRONG[name]
    status, out, err = run(capsys, command, str(folder / "wrong.safetensors"), *options)
    assert status == 1
    assert said in err
    assert "finite numbers" in out


def test_the_options_of_a_report(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = str(folder / "good.npz")
    status, out, _ = run(capsys, "report", good, "--recipe", "gpt2", "--z", "0.01", "--json")
    assert status == 1
    assert TreeReport.from_json(out).z == 0.01
    status, out, err = run(capsys, "report", good, "--recipe", "gpt2", "--set", "stddev=0.04")
    assert status == 1
    assert "where 0.04 is expected" in err
    status, out, _ = run(capsys, "report", good, "--under", "layers.1.norm", "--json")
    assert [leaf["path"] for leaf in json.loads(out)["leaves"]] == ["bias", "scale"]
    status, out, _ = run(capsys, "report", good, "--under", "position/table", "--json")
    assert [leaf["path"] for leaf in json.loads(out)["leaves"]] == ["table"]
    picture = folder / "report.png"
    assert run(capsys, "report", good, "--recipe", "gpt2", "--plot", str(picture))[0] == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_the_options_of_a_check(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    within = str(folder / "within.npz")
    arguments = ("--under", "params", "--recipe", "gpt2:openai", "--json")
    status, out, _ = run(capsys, "check", within, *arguments, "--rate", "1e-6")
    assert status == 1
    record = json.loads(out)
    assert record["rate"] == 1e-6
    wrong = {leaf["role"] for leaf in record["leaves"] if leaf["flags"]}
    assert wrong == {"attention.out", "mlp.out", "position"}
    assert run(capsys, "check", within, *arguments[:3], "gpt2", "--naming", "roles")[0] == 0


def test_show(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "show", "he_normal", "--shape", "50,3")
    assert (status, err) == (0, "")
    for part in ("HeNormal(): He normal initializer", "kaiming_normal", "sqrt(2 / fan_in)", "0.2"):
        assert part in out
    arguments = ("--set", "stddev=0.5", "--set", "mean=-1", "--json")
    status, out, _ = run(capsys, "show", "RandomNormal", *arguments)
    record = json.loads(out)
    assert (record["mean"], record["stddev"]) == (-1.0, 0.5)
    assert record["initializer"] == "RandomNormal(mean=-1, stddev=0.5)"
    assert record["support"] == [None, None]
    picture = folder / "show.svg"
    assert run(capsys, "show", "orthogonal", "--shape", "64x64", "--plot", str(picture))[0] == 0
    assert "<svg" in picture.read_text()


def test_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "recipes")
    assert (status, err) == (0, "")
    assert all(name in out for name in recipes.available())
    status, out, _ = run(capsys, "recipes", "--json")
    assert [one["name"] for one in json.loads(out)] == recipes.available()
    status, out, _ = run(capsys, "recipes", "gpt2", "--set", "stddev=0.5")
    assert (status, "RandomNormal(stddev=0.5)" in out) == (0, True)
    status, out, _ = run(capsys, "recipes", "gpt2:openai", "--json")
    assert json.loads(out)["entries"][0]["stddev"] == [0.02, 0.02]


# Wrong uses, and what is said of them.
REFUSED: dict[str, tuple[list[str], str]] = {
    "no command": ([], "required: COMMAND"),
    "a near command": (["recpies"], "(did you mean 'recipes'?)"),
    "a near option": (["report", "good.npz", "--recpie", "gpt2"], "(did you mean '--recipe'?)"),
    "no checkpoint": (["report"], "required: checkpoint"),
    "no file": (["report", "god.npz"], "there is no file 'god.npz' (did you mean 'good.npz'?)"),
    "no folder": (["report", "nowhere/good.npz"], "there is no file 'nowhere/good.npz'"),
    "an empty folder": (["report", "empty"], "the folder holds neither"),
    "a text": (["report", "text.txt"], "must be safetensors, npz, or a folder of Orbax"),
    "a file cut short": (["report", "cut.safetensors"], "ends behind the end of the file"),
    "a huge header": (["report", "header.safetensors"], "its header would be of"),
    "a pickle": (["report", "old.bin"], "is pickled by PyTorch, and to read a pickle runs"),
    "a pickle in an archive": (["report", "new.pt"], "safetensors.torch.save_file"),
    "another archive": (["report", "other.zip"], "it is an archive without arrays"),
    "a broken archive": (["report", "broken.npz"], "python -m cthulhu report: "),
    "objects": (["report", "objects.npz"], "'w' holds objects of Python, which are pickled"),
    "one name within another": (["report", "twice.npz"], "cannot both be in one tree"),
    "no arrays": (["report", "nothing.npz"], "without arrays"),
    "no recipe": (["check", "good.npz"], "--recipe is missing"),
    "a near recipe": (["check", "good.npz", "--recipe", "gtp2"], "(did you mean 'gpt2'?)"),
    "a near recipe of a report": (
        ["report", "good.npz", "--recipe", "gtp2"],
        "python -m cthulhu report: there is no recipe 'gtp2'",
    ),
    "a hyperparameter": (
        ["check", "good.npz", "--recipe", "gpt2", "--set", "layer=2"],
        "(did you mean 'layers'?)",
    ),
    "a naming": (["check", "good.npz", "--recipe", "gpt2", "--naming", "hf"], "'hf'"),
    "no pair": (["recipes", "gpt2", "--set", "layers"], "must be NAME=VALUE, as layers=12"),
    "nothing under": (
        ["report", "good.npz", "--under", "layers/7"],
        "the checkpoint has no 'layers/7'; under 'layers' it has '0', '1'",
    ),
    "a rate": (["check", "good.npz", "--recipe", "gpt2", "--rate", "2"], "must be a probability"),
    "z": (["report", "good.npz", "--z", "-1"], "above 0; got -1.0"),
    "a picture": (["show", "ones", "--plot", "a.what"], "what"),
    "an initializer": (["show", "he_norml"], "(did you mean 'he_normal'?)"),
    "an argument": (["show", "random_normal", "--set", "stddv=1"], "(did you mean 'stddev'?)"),
    "a shape": (["show", "he_normal", "--shape", "a,b"], "a shape is numbers with commas"),
    "a type": (["show", "he_normal", "--dtype", "float31"], "float31"),
    "an unknown recipe": (["recipes", "gpt-2"], "recipes: recipe must be one of"),
    "values without a recipe": (["recipes", "--set", "layers=2"], "--set belongs to a recipe"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_use_says_what_to_do(
    name: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    arguments, said = REFUSED[name]
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert said in " ".join(err.split())


@pytest.mark.parametrize("arguments", [["--help"], ["report", "--help"], ["--version"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, *arguments)
    assert (status, err) == (0, "")
    assert "cthulhu" in out


@pytest.mark.parametrize(("library", "extra"), [("orbax", "orbax"), ("matplotlib", "plot")])
def test_a_library_that_is_missing_is_named(
    library: str,
    extra: str,
    orbax: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [*(one for one in sys.modules if one.partition(".")[0] == library), library]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "cthulhu.diagnostics._pictures", raising=False)
    file = "tree" if library == "orbax" else "good.npz"
    status, _, err = run(capsys, "report", str(orbax / file), "--plot", str(orbax / "no.png"))
    assert status == 2
    assert f"needs {library}, which is not installed" in err
    assert f"pip install 'cthulhu-jax[{extra}]'" in err


@pytest.mark.parametrize("command", ["report", "check"])
def test_one_array_of_a_file_is_held_at_a_time(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = np.lib.format.read_array
    alive: list[weakref.ref[Any]] = []
    most = 0

    def counting(*arguments: Any, **options: Any) -> Any:
        nonlocal most
        gc.collect()
        values = read(*arguments, **options)
        alive.append(weakref.ref(values if values.base is None else values.base))
        most = max(most, sum(one() is not None for one in alive))
        return values

    monkeypatch.setattr(np.lib.format, "read_array", counting)
    assert main([command, str(folder / "packed.npz"), "--recipe", "gpt2"]) == 0
    assert len(alive) >= 30
    assert most <= 2


def test_a_terminal_gets_a_bar_and_a_pipe_none(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(capsys, "report", str(folder / "good.npz"))[2] == ""
    monkeypatch.setenv("FORCE_COLOR", "1")  # What rich takes for a terminal.
    status, out, err = run(capsys, "report", str(folder / "good.npz"))
    assert status == 0
    assert "Reading" in err
    assert "100%" in err
    assert "Reading" not in out


def test_in_a_process_of_its_own(folder: Path) -> None:
    """And whoever reads only the beginning of what is printed gets no error."""
    environment = {**os.environ, "PYTHONPATH": str(Path(command_line.__file__).parents[1])}
    environment.pop("PYTHONUNBUFFERED", None)
    program = [sys.executable, "-m", "cthulhu"]
    done = subprocess.run(
        [*program, "report", str(folder / "wrong.safetensors"), "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment,
    )
    assert done.returncode == 1, done.stderr
    assert not TreeReport.from_json(done.stdout)
    assert "layers/1/mlp/in/kernel" in done.stderr
    with subprocess.Popen(
        [*program, "show", "ones"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(120) == 0
