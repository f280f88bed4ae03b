"""`Shapes` as data, as a table, and as JSON."""

import pickle
from typing import Any

import pytest

from cthulhu import mup
from cthulhu.mup import Shapes
from tests.mup.models import shapes
from tests.refusals import Refused, each

WIDE = shapes(8, 192)


def test_shapes_are_found_by_path_and_go_over_all() -> None:
    assert WIDE["embed"].path == "embed"
    assert WIDE.get("nowhere") is None
    assert len(WIDE) == len(list(WIDE)) == 10


def test_json_tells_all() -> None:
    folded = mup.fold_readout(WIDE)
    for known in (WIDE, folded):
        again = Shapes.from_json(known.to_json())
        assert again == known
        assert hash(again) == hash(known)
    assert folded != WIDE
    assert pickle.loads(pickle.dumps(WIDE)) == WIDE


@pytest.fixture
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.mark.usefixtures("wide_terminal")
def test_the_table_tells_what_each_parameter_has() -> None:
    lines = str(WIDE).splitlines()
    (up,) = [line for line in lines if "blocks/up/kernel" in line]
    for text in ("(3, 64, 192)", "(3, 16, 32)", "hidden", "0.5", "0.25", "1.5", "1.225"):
        assert text in up
    (head,) = [line for line in lines if "head/kernel" in line]
    assert "0.25" in head
    assert "kind 'mup'" in str(WIDE)
    assert "10 leaves" in str(WIDE)


def test_the_table_of_another_kind() -> None:
    table = WIDE.table("completep")
    assert "SGD ×" not in [column.header for column in table.columns]
    assert "SGD ×" in [column.header for column in WIDE.table().columns]
    assert "std ×" not in [column.header for column in WIDE.table("umup").columns]


def test_a_narrow_table_keeps_what_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    (head,) = [line.split() for line in str(WIDE).splitlines() if "head/kernel" in line]
    assert head == ["head/kernel", "output", "4", "1", "1", "0.25", "1", "4"]


@pytest.mark.usefixtures("wide_terminal")
def test_what_is_folded_is_told() -> None:
    assert "output, folded" in str(mup.fold_readout(WIDE))


def test_a_browser_gets_a_table() -> None:
    page = WIDE._repr_html_()
    assert page.count("<tr>") == 12
    assert "Adam ×" in page


def test_the_repr_counts_roles() -> None:
    assert repr(WIDE) == "<Shapes: 10 leaves: 4 input, 3 hidden, 1 output, 2 scalar>"


NONE: Any = {"w": 1}

REFUSED = [
    Refused(
        "a path",
        lambda: WIDE["head/kernl"],
        KeyError,
        r"^Shapes: there is no parameter 'head/kernl' \(did you mean 'head/kernel'\?\)$",
    ),
    Refused(
        "other JSON",
        lambda: Shapes.from_json('{"rules": []}'),
        ValueError,
        r"^Shapes\.from_json: text must be what Shapes\.to_json wrote; it is other JSON",
    ),
    Refused(
        "a field",
        lambda: Shapes.from_json('{"shapes": [{"name": 1}]}'),
        ValueError,
        r"^Shapes\.from_json: text must be what",
    ),
    Refused(
        "a role that there is not",
        lambda: Shapes.from_json(
            '{"shapes": [{"path": "w", "shape": [8], "base_shape": [2], "role": "inptu"}]}'
        ),
        ValueError,
        r"^LeafShape: role must be one of 'input', .*; got 'inptu' \(did you mean 'input'\?\)$",
    ),
    *(
        Refused(
            f"{name} without shapes",
            call,
            TypeError,
            rf"^mup\.{name}: shapes must be what mup\.infer returned; got {{'w': 1}} of type dict$",
        )
        for name, call in {
            "adam": lambda: mup.adam(0.1, NONE),
            "adamw": lambda: mup.adamw(0.1, NONE),
            "sgd": lambda: mup.sgd(0.1, NONE),
            "lion": lambda: mup.lion(0.1, NONE),
            "muon": lambda: mup.muon(0.1, NONE),
            "scale": lambda: mup.scale(NONE),
            "rules": lambda: mup.rules("zeros", NONE),
            "forward": lambda: mup.forward(NONE),
            "fold_readout": lambda: mup.fold_readout(NONE),
        }.items()
    ),
]


@each(REFUSED)
def test_what_is_not_there_is_refused(refused: Refused) -> None:
    refused.check()


def test_no_json_is_refused_as_such() -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        Shapes.from_json("shapes")
