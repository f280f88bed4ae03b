"""What the parameters of models are: the roles that recipes and namings agree on.

A role says what a parameter does, whatever a framework calls it. Its kind tells the row of a
recipe that serves where none names the role itself, and whether layouts apply: only kernels
have inputs and outputs that a framework may lay otherwise.
"""

import math
import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

Kind = Literal["kernel", "bias", "scale", "table", "parameter", "statistic"]


class Role(NamedTuple):
    """What is known of a role."""

    kind: Kind
    shape: str
    """The shape that it has with (…, inputs, outputs), in sizes, as ``"width heads*head_size"``."""

    by_layer: bool = True
    """Whether each layer has one."""

    def extents(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The shape, for sizes."""
        return tuple(extent(text, sizes) for text in self.shape.split())


def extent(text: str, sizes: Mapping[str, int]) -> int:
    """A sum of products of sizes and numbers, as ``"rank+2*state"``."""
    return sum(
        math.prod(int(part) if part.isdecimal() else sizes[part] for part in product.split("*"))
        for product in text.split("+")
    )


KERNEL: Kind = "kernel"
TABLE: Kind = "table"
SCALE: Kind = "scale"
PARAMETER: Kind = "parameter"

ROLES: Mapping[str, Role] = {
    # Tables, of which a row is read.
    "embedding": Role(TABLE, "vocabulary width", by_layer=False),
    "embedding.type": Role(TABLE, "types width", by_layer=False),
    "embedding.label": Role(TABLE, "classes width", by_layer=False),
    "position": Role(TABLE, "positions width", by_layer=False),
    "position.encoder": Role(TABLE, "encoder_positions width", by_layer=False),
    "position.relative": Role(TABLE, "heads buckets", by_layer=False),
    # Vectors that stand for a token.
    "token.class": Role(PARAMETER, "1 1 width", by_layer=False),
    "token.register": Role(PARAMETER, "1 registers width", by_layer=False),
    "token.mask": Role(PARAMETER, "1 1 width", by_layer=False),
    "probe": Role(PARAMETER, "1 1 width", by_layer=False),
    # What a probe pools with, where it is not as the layers are.
    "probe.query": Role(KERNEL, "width width", by_layer=False),
    "probe.kv": Role(KERNEL, "width 2*width", by_layer=False),
    "probe.out": Role(KERNEL, "width width", by_layer=False),
    "probe.mlp.in": Role(KERNEL, "width hidden", by_layer=False),
    "probe.mlp.out": Role(KERNEL, "hidden width", by_layer=False),
    # Convolutions that begin a model, and others.
    "patch": Role(KERNEL, "patch patch channels width", by_layer=False),
    "stem": Role(KERNEL, "7 7 channels width", by_layer=False),
    "conv": Role(KERNEL, "3 3 width width"),
    "conv.last": Role(KERNEL, "3 3 width width"),
    "conv.out": Role(KERNEL, "3 3 width channels", by_layer=False),
    "conv.depthwise": Role(KERNEL, "7 7 1 width"),
    "downsample": Role(KERNEL, "1 1 width 2*width"),
    # Attention. What is packed lies along the outputs.
    "attention.query": Role(KERNEL, "width heads*head_size"),
    "attention.key": Role(KERNEL, "width kv_heads*head_size"),
    "attention.value": Role(KERNEL, "width kv_heads*head_size"),
    "attention.qkv": Role(KERNEL, "width 3*width"),
    "attention.kv": Role(KERNEL, "width 2*kv_heads*head_size"),
    "attention.out": Role(KERNEL, "heads*head_size width"),
    # What enters and leaves the attention of an image.
    "attention.enter": Role(KERNEL, "width width"),
    "attention.leave": Role(KERNEL, "width width"),
    "attention.bias_kv": Role(PARAMETER, "1 1 width"),
    "attention.query_down": Role(KERNEL, "width query_rank"),
    "attention.query_up": Role(KERNEL, "query_rank heads*head_size"),
    "attention.kv_down": Role(KERNEL, "width kv_rank"),
    "attention.kv_up": Role(KERNEL, "kv_rank 2*heads*head_size"),
    # Multilayer perceptrons, of which some are experts that a router chooses.
    "mlp.in": Role(KERNEL, "width hidden"),
    "mlp.gate": Role(KERNEL, "width hidden"),
    "mlp.gate_in": Role(KERNEL, "width 2*hidden"),
    "mlp.out": Role(KERNEL, "hidden width"),
    "router": Role(KERNEL, "width experts"),
    "router.correction": Role("bias", "experts"),
    "experts.in": Role(KERNEL, "experts width expert_hidden"),
    "experts.gate": Role(KERNEL, "experts width expert_hidden"),
    "experts.gate_in": Role(KERNEL, "experts width 2*expert_hidden"),
    "experts.out": Role(KERNEL, "experts expert_hidden width"),
    "experts.shared_gate": Role(KERNEL, "width 1"),
    # Norms, and scales of branches.
    "norm.scale": Role(SCALE, "width"),
    "norm.last.scale": Role(SCALE, "width"),
    "norm.gated.scale": Role(SCALE, "inner"),
    "layer_scale": Role(SCALE, "width"),
    "grn.scale": Role(SCALE, "hidden"),
    "statistics.mean": Role("statistic", "width"),
    "statistics.variance": Role("statistic", "width"),
    "statistics.count": Role("statistic", ""),
    # What nnx keeps of random numbers among the state of a module.
    "random.state": Role("statistic", ""),
    # State-space and other recurrent layers.
    "ssm.in": Role(KERNEL, "width 2*inner"),
    "ssm.gates": Role(KERNEL, "width 2*heads"),
    "ssm.conv": Role(KERNEL, "conv 1 inner"),
    "ssm.x": Role(KERNEL, "inner dt_rank+2*state"),
    "ssm.dt": Role(KERNEL, "dt_rank inner"),
    "ssm.dt.bias": Role("bias", "inner"),
    "ssm.A_log": Role(PARAMETER, "inner state"),
    "ssm.D": Role(PARAMETER, "inner"),
    "ssm.out": Role(KERNEL, "inner width"),
    "recurrent.in": Role(KERNEL, "width inner"),
    "recurrent.gate": Role(KERNEL, "width inner"),
    "recurrent.conv": Role(KERNEL, "conv inner"),
    "recurrent.gates": Role(KERNEL, "heads block block"),
    "recurrent.a": Role(PARAMETER, "inner"),
    "recurrent.out": Role(KERNEL, "inner width"),
    "recurrent.input": Role(KERNEL, "width 4*width"),
    "recurrent.kernel": Role(KERNEL, "width 4*width"),
    # Conditions of diffusion models.
    "time.in": Role(KERNEL, "frequencies width", by_layer=False),
    "time.out": Role(KERNEL, "width width", by_layer=False),
    "time.projection": Role(KERNEL, "width width"),
    "modulation": Role(KERNEL, "width 6*width"),
    # What reads the result out.
    "pooler": Role(KERNEL, "width width", by_layer=False),
    "head.transform": Role(KERNEL, "width width", by_layer=False),
    "head": Role(KERNEL, "width vocabulary", by_layer=False),
    "classifier": Role(KERNEL, "width classes", by_layer=False),
    # Low-rank adapters.
    "lora.a": Role(KERNEL, "width rank"),
    "lora.b": Role(KERNEL, "rank width"),
    "lora.embedding.a": Role(TABLE, "vocabulary rank"),
    "lora.embedding.b": Role(KERNEL, "rank width"),
    # What adapters are for, which is trained and stays.
    "base": Role("statistic", "width width"),
    # What a framework makes where nothing more is known.
    "kernel": Role(KERNEL, "width hidden"),
    "table": Role(TABLE, "vocabulary width", by_layer=False),
}
"""The roles, by name. The bias of a kernel is called ``"<role>.bias"``."""

PACKED: Mapping[str, tuple[str, ...]] = {
    "attention.qkv": ("attention.query", "attention.key", "attention.value"),
    "attention.kv": ("attention.key", "attention.value"),
    "mlp.gate_in": ("mlp.gate", "mlp.in"),
    "experts.gate_in": ("experts.gate", "experts.in"),
}
"""The roles that lie side by side along the outputs of one kernel."""


def kind_of(role: str) -> Kind | None:
    """The kind of a role; `None` if nothing is known of it."""
    if role in ROLES:
        return ROLES[role].kind
    suffix = re.search(r"(?:^|\.)(bias|scale)$", role)
    return None if suffix is None else suffix[1]  # type: ignore[return-value]


def path_of(role: str) -> tuple[str, ...]:
    """Where a role stands in a tree that is named by roles."""
    *within, last = role.split(".")
    kind = kind_of(role)
    ends = last in ("bias", "scale") or (kind == "statistic")
    return (*within, last) if ends else (*within, last, str(kind))


def parent_of(role: str) -> str | None:
    """The kernel that a bias belongs to; `None` for all else, and for the bias of a norm."""
    within = role.removesuffix(".bias")
    return within if within != role and within in ROLES else None


def is_by_layer(role: str) -> bool:
    """Whether each layer has such a parameter."""
    return ROLES.get(parent_of(role) or role, ROLES["norm.scale"]).by_layer


def shape_of(role: str, sizes: Mapping[str, int], others: Mapping[str, str]) -> tuple[int, ...]:
    """The shape of a role, for sizes; some have another one than most."""
    if role in others:
        return tuple(extent(text, sizes) for text in others[role].split())
    if role in ROLES:
        return ROLES[role].extents(sizes)
    parent = parent_of(role)
    if parent is None:
        return ROLES["norm.scale"].extents(sizes)
    return shape_of(parent, sizes, others)[-1:]
