"""PyTorch's draws in a process of their own: its thread pool would disturb XLA's."""

import math

import harness
import torch

torch.set_num_threads(harness.cores())

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
TRUNCATED_STDDEV = 0.87962566103423978


def drawing(law, size):
    """The in-place function of `torch.nn.init` that draws this law."""
    init = torch.nn.init
    stddev = math.sqrt(2 / size) / TRUNCATED_STDDEV
    return {
        "uniform": lambda t: init.uniform_(t, 0.0, 0.05),
        "normal": lambda t: init.normal_(t, 0.0, 0.05),
        "truncated normal": lambda t: init.trunc_normal_(t, 0.0, 0.05, -0.1, 0.1),
        "he_normal": lambda t: init.trunc_normal_(t, 0.0, stddev, -2 * stddev, 2 * stddev),
        "he_normal, not truncated": init.kaiming_normal_,
        "orthogonal": init.orthogonal_,
    }[law]


def answer(law, size, dtype, repeat, preallocated):
    """Seconds of one call, into a fresh tensor or into one that exists."""
    draw, target = drawing(law, size), DTYPES[dtype]
    if preallocated:
        tensor = torch.zeros(size, size, dtype=target)
        return {"seconds": harness.timed(lambda: draw(tensor), repeat, lambda result: None)}
    seconds = harness.timed(
        lambda: draw(torch.empty(size, size, dtype=target)), repeat, lambda result: None
    )
    return {"seconds": seconds}


if __name__ == "__main__":
    with torch.no_grad():
        harness.serve(answer)
