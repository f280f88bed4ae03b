"""State dicts of PyTorch itself: initialized by rules, loaded, trained."""

import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu import verify
from cthulhu.adapters.torch import flat, plan, tree
from cthulhu.params import Keep

with warnings.catch_warnings():
    # What torch does when it is imported is its own.
    warnings.simplefilter("ignore")
    torch: Any = pytest.importorskip("torch")

RULES = [
    (".*(norm.*|ln)/weight", "ones"),
    (".*bias.*", "zeros"),
    (".*", "xavier_uniform"),
]


class Transformer(torch.nn.Module):  # type: ignore[misc]
    """A language model whose head is tied to its embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(16, 8)
        self.block = torch.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.head = torch.nn.Linear(8, 16, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens: Any) -> Any:
        return self.head(self.block(self.embed(tokens)))


def initialized(model: Any, rules: Any = RULES, **options: Any) -> Any:
    state = model.state_dict()
    planned = plan(tree(state), rules, **options)
    model.load_state_dict(flat(planned.run(0), like=state), strict=True)
    assert verify(tree(model.state_dict()), 0, planned)
    return planned


def trained(model: Any, inputs: Any, targets: Any, loss: Any, steps: int) -> list[float]:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss(model(inputs), targets)
        value.backward()
        optimizer.step()
        losses.append(float(value.detach()))
    return losses


def test_a_transformer_is_initialized_and_trains() -> None:
    model = Transformer()
    initialized(model)
    assert model.head.weight is model.embed.weight
    assert bool((model.block.norm1.weight == 1).all())
    tokens = torch.arange(64).reshape(4, 16) * 7 % 16
    losses = trained(
        model,
        tokens,
        tokens.roll(-1, 1),
        lambda logits, targets: torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), targets.flatten()
        ),
        60,
    )
    assert losses[-1] < losses[0] / 2


def test_a_perceptron_is_initialized_and_trains() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))
    initialized(model, [(".*bias", "zeros"), (".*", "he_normal")])
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(64, 4, generator=generator)
    targets = torch.stack([inputs[:, 0] * inputs[:, 1], inputs[:, 2]], 1)
    losses = trained(model, inputs, targets, torch.nn.functional.mse_loss, 100)
    assert losses[-1] < losses[0] / 4


LAYERS: dict[str, tuple[Any, tuple[int, ...], dict[str, Any]]] = {
    "Linear": (lambda: torch.nn.Linear(3, 5, bias=False), (1, 3), {}),
    "Conv1d": (lambda: torch.nn.Conv1d(2, 5, 3, padding=1, bias=False), (1, 2, 9), {}),
    "Conv2d in groups": (
        lambda: torch.nn.Conv2d(4, 6, 3, padding=1, groups=2, bias=False),
        (1, 4, 7, 7),
        {"groups": {"weight": 2}},
    ),
    "ConvTranspose2d": (
        lambda: torch.nn.ConvTranspose2d(2, 5, 3, padding=1, bias=False),
        (1, 2, 7, 7),
        {"transposed": "weight"},
    ),
    "ConvTranspose2d in groups": (
        lambda: torch.nn.ConvTranspose2d(4, 6, 3, padding=1, groups=2, bias=False),
        (1, 4, 7, 7),
        {"transposed": "weight", "groups": {"weight": 2}},
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_fans_are_what_a_layer_connects(name: str) -> None:
    build, shape, options = LAYERS[name]
    layer = build()
    torch.nn.init.ones_(layer.weight)
    (row,) = plan(tree(layer.state_dict()), "he_normal", **options).rows
    jacobian = torch.autograd.functional.jacobian(layer, torch.ones(shape))
    depends = jacobian.reshape(-1, int(np.prod(shape))).numpy() != 0
    assert (row.fan_in, row.fan_out) == (depends.sum(1).max(), depends.sum(0).max())


def test_a_convolution_of_dirac_is_torchs_own() -> None:
    layer = torch.nn.Conv2d(3, 4, 3, bias=False)
    initialized(layer, "dirac")
    assert torch.equal(layer.weight, torch.nn.init.dirac_(torch.empty(4, 3, 3, 3)))


CELLS = {
    "LSTM": (lambda: torch.nn.LSTM(4, 5, 2, bidirectional=True), 4),
    "LSTM with projections": (lambda: torch.nn.LSTM(4, 5, proj_size=3), 4),
    "GRU": (lambda: torch.nn.GRU(4, 5), 3),
    "GRUCell": (lambda: torch.nn.GRUCell(4, 5), 3),
    "RNN": (lambda: torch.nn.RNN(4, 5), 1),
}


@pytest.mark.parametrize("name", CELLS)
def test_each_gate_is_orthogonal(name: str) -> None:
    build, gates = CELLS[name]
    model = build()
    initialized(model, [(".*weight_hh.*", "orthogonal"), (".*", "zeros")])
    recurrent = [value for key, value in model.state_dict().items() if "weight_hh" in key]
    assert recurrent
    for weight in recurrent:
        parts = weight.numpy().reshape(gates, 5, -1)
        identity = np.broadcast_to(np.eye(parts.shape[2]), (gates, *parts.shape[2:] * 2))
        np.testing.assert_allclose(parts.mT @ parts, identity, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_every_type_is_read_bit_by_bit(dtype: str) -> None:
    tensor = torch.linspace(-3, 3, 24).reshape(4, 6).to(getattr(torch, dtype))
    found = tree({"w": tensor})["w"]
    assert found.dtype == jnp.dtype(dtype)
    words = {2: torch.int16, 4: torch.int32, 8: torch.int64}[found.dtype.itemsize]
    bits = found.view(f"i{found.dtype.itemsize}")
    assert np.array_equal(bits, tensor.view(words).numpy())
    back = flat({"w": found}, like={"w": tensor})["w"]
    assert back.dtype is tensor.dtype
    assert torch.equal(back, tensor)
    assert back.data_ptr() != tensor.data_ptr()


def test_a_narrow_model_gets_the_rounded_values() -> None:
    model = torch.nn.Linear(64, 32, dtype=torch.bfloat16)
    initialized(model, [(".*bias", "zeros"), (".*", "he_normal")])
    assert model.weight.dtype is torch.bfloat16
    assert float(model.weight.detach().float().std()) == pytest.approx((2 / 64) ** 0.5, rel=0.1)


def test_a_model_without_values_gets_some() -> None:
    model = torch.nn.Linear(4, 3, device="meta")
    state = model.state_dict()
    made = plan(tree(state), [(".*bias", "ones"), (".*", "he_normal")]).run(0)
    model.load_state_dict(flat(made, like=state), assign=True)
    assert model.bias.tolist() == [1.0] * 3
    assert model(torch.zeros(2, 4)).shape == (2, 3)


def test_a_view_in_another_order_is_no_tie() -> None:
    table = torch.ones(3, 3)
    assert set(tree({"a": table, "b": table.T, "c": table})) == {"a", "b"}
    array = np.ones((3, 3), np.float32)
    assert set(tree({"a": array, "b": array.T, "c": array})) == {"a", "b"}


def test_buffers_are_kept() -> None:
    model = torch.nn.BatchNorm1d(3)
    model(torch.ones(2, 3) * torch.arange(3.0))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    initialized(model, [(".*running.*", Keep()), (".*", "zeros")])
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        assert torch.equal(model.state_dict()[name], before[name])
    assert not model.weight.any()


def test_arrays_without_like_are_for_from_numpy() -> None:
    model = torch.nn.Linear(4, 3)
    arrays = flat(plan(tree(model.state_dict()), "normal").run(0))
    model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    assert np.array_equal(model.weight.detach().numpy(), arrays["weight"])


def test_named_parameters_serve_too() -> None:
    model = Transformer()
    found = tree(dict(model.named_parameters()))
    assert "head" not in found
    made = flat(plan(found, RULES).run(0))
    tensors = {name: torch.from_numpy(array) for name, array in made.items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert (missing, unexpected) == (["head.weight"], [])
