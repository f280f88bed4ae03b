"""Plans and reports are shown once and legibly: in a terminal, in IPython, in a notebook."""

import sys
import types

import jax
import numpy as np
import pytest

from cthulhu.params import _progress as progress
from cthulhu.params import init_params, plan, verify
from tests.cases import KEY

TREE = {name: jax.ShapeDtypeStruct((4, 8), np.float32) for name in ("a<b", "w")}
RULES = [(".*", "he_normal")]


def views():
    made = plan(TREE, RULES)
    params = {**made.run(KEY), "w": np.zeros((4, 8), np.float32)}
    init = plan(lambda key: {"a<b": jax.random.normal(key, (4, 8))}, KEY)
    return {
        "plan": made,
        "init plan": init,
        "right": verify(made.run(KEY), KEY, made),
        "wrong": verify(params, KEY, made),
    }


@pytest.mark.parametrize("name", ["plan", "init plan", "right", "wrong"])
def test_a_notebook_shows_a_view_once(name, monkeypatch, capsys):
    """In a notebook rich displays what it prints: nothing may be printed by a view."""
    view = views()[name]
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    shown = []
    printer = types.SimpleNamespace(text=shown.append)
    view._repr_pretty_(printer, False)
    assert shown == [str(view)]
    html = view._repr_html_()
    assert capsys.readouterr() == ("", "")
    part = {"right": "2 parameters, 64 elements: all as planned", "wrong": "1 wrong"}
    for text in (" ".join(shown[0].split()), html):
        assert part.get(name, "Initialization plan") in text
    assert html.startswith("<table>")
    assert html.endswith("</table>")
    assert "a<b" not in html  # What is not HTML is escaped.


def test_text_is_as_wide_as_the_terminal(monkeypatch):
    made = plan(TREE, RULES)
    for columns in (60, 100):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert max(map(len, str(made).splitlines())) <= columns


def test_a_narrow_terminal_shows_what_differs(monkeypatch):
    """What all rows share, and the totals, stand below; no number is broken."""
    monkeypatch.setenv("COLUMNS", "80")
    shapes = {"a": (768, 768), "b": (3, 3, 512, 1024)}
    tree = {
        f"transformer/layers/{name}/attention/kernel": jax.ShapeDtypeStruct(shape, np.float32)
        for name, shape in shapes.items()
    }
    lines = str(plan(tree, "he_normal")).splitlines()
    head = lines[1].split()
    assert head == ["path", "shape", "fan_in", "fan_out", "mean", "stddev"]
    below = " ".join(" ".join(lines[-3:]).split())
    for note in ("dtype float32", "initializer HeNormal()", "2 leaves", "21,233,664 bytes"):
        assert note in below
    numbers = [line.split() for line in lines if "768)" in line or "1024)" in line]
    assert [row[-4:] for row in numbers] == [
        ["768", "768", "0", "0.05103"],
        ["4608", "9216", "0", "0.02083"],
    ]


def test_a_repr_says_the_totals_alone():
    found = views()
    assert repr(found["plan"]) == "<Plan: 2 leaves, 64 elements, 256 bytes, 1 program>"
    assert repr(found["init plan"]) == "<InitPlan: 1 leaf, 32 elements, 128 bytes, 1 program>"


class Handle:
    """What IPython's `display` returns."""

    def __init__(self, shown):
        self.shown = shown

    def update(self, text):
        self.shown.append(text)


def in_a_notebook(monkeypatch):
    """What a notebook would show, where rich believes to be in one, and IPython listens."""
    shown = []

    def display(text, display_id):
        assert display_id is True
        shown.append(text)
        return Handle(shown)

    module = types.SimpleNamespace(HTML=str, display=display)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(display=module))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    return shown


def test_a_notebook_shows_a_bar_without_widgets(monkeypatch, capsys):
    shown = in_a_notebook(monkeypatch)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    init_params(KEY, TREE, RULES, progress=True)
    assert [text.split("> ")[-1] for text in shown] == ["0%", "50%", "100%", ""]
    assert shown[1] == 'Initializing <progress value="128" max="256"></progress> 50%'
    assert capsys.readouterr() == ("", "")
    del shown[:]
    init_params(KEY, TREE, RULES)
    assert shown == []


def test_a_notebook_is_not_told_of_every_leaf(monkeypatch):
    shown = in_a_notebook(monkeypatch)
    with progress.bar("Work", 1000, shown=True) as advance:
        for _ in range(1000):
            advance(1)
    assert [text.split("> ")[-1] for text in shown][-2:] == ["100%", ""]
    assert len(shown) < 100


def test_a_bar_goes_when_work_fails(monkeypatch):
    shown = in_a_notebook(monkeypatch)
    with pytest.raises(KeyError), progress.bar("Work", 2, shown=True):
        raise KeyError
    assert shown[-1] == ""
