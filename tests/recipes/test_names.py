"""Namings of JAX's implementations: each path has one role, and its fans are those of its law."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from cthulhu import recipes
from cthulhu.audit import check
from cthulhu.params import plan
from cthulhu.trees import join

CUT = 0.98657846  # The stddev of a standard normal law that is cut at 3.
D, F, H, K, V, L = 64, 192, 4, 32, 100, 2


class Gpt(linen.Module):
    """As nanoGPT, in linen."""

    @linen.compact
    def __call__(self, tokens: Any) -> Any:
        x = linen.Embed(V, D, name="wte")(tokens) + linen.Embed(9, D, name="wpe")(tokens)
        for layer in range(L):
            x = LinenBlock(name=f"h_{layer}")(x)
        return linen.Dense(V, use_bias=False, name="lm_head")(linen.LayerNorm(name="ln_f")(x))


class LinenBlock(linen.Module):
    @linen.compact
    def __call__(self, x: Any) -> Any:
        return x + LinenMlp(name="mlp")(
            linen.LayerNorm(name="ln_2")(LinenAttention(name="attn")(x))
        )


class LinenAttention(linen.Module):
    @linen.compact
    def __call__(self, x: Any) -> Any:
        return linen.Dense(D, name="c_proj")(linen.Dense(3 * D, name="c_attn")(x)[..., :D])


class LinenMlp(linen.Module):
    @linen.compact
    def __call__(self, x: Any) -> Any:
        return linen.Dense(D, name="c_proj")(linen.Dense(F, name="c_fc")(x))


class NnxBlock(nnx.Module):
    """As the miniGPT of tutorials."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.mha = nnx.MultiHeadAttention(num_heads=H, in_features=D, decode=False, rngs=rngs)
        self.layer_norm1 = nnx.LayerNorm(D, rngs=rngs)
        self.linear1 = nnx.Linear(D, F, rngs=rngs)
        self.linear2 = nnx.Linear(F, D, rngs=rngs)
        self.layer_norm2 = nnx.LayerNorm(D, rngs=rngs)


class NnxEmbedding(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.token_emb = nnx.Embed(V, D, rngs=rngs)
        self.pos_emb = nnx.Embed(9, D, rngs=rngs)


class NnxGpt(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.embedding_layer = NnxEmbedding(rngs)
        self.transformer_blocks = nnx.List([NnxBlock(rngs) for _ in range(L)])
        self.output_layer = nnx.Linear(D, V, rngs=rngs)


class EquinoxBlock(eqx.Module):
    attention: eqx.nn.MultiheadAttention
    mlp: eqx.nn.MLP
    norm1: eqx.nn.LayerNorm
    norm2: eqx.nn.LayerNorm

    def __init__(self, key: Any) -> None:
        self.attention = eqx.nn.MultiheadAttention(H, D, key=key)
        self.mlp = eqx.nn.MLP(D, D, F, 1, key=key)
        self.norm1, self.norm2 = eqx.nn.LayerNorm(D), eqx.nn.LayerNorm(D)


class EquinoxGpt(eqx.Module):
    token_embedding: eqx.nn.Embedding
    position_embedding: eqx.nn.Embedding
    blocks: list[EquinoxBlock]
    norm: eqx.nn.LayerNorm
    head: eqx.nn.Linear

    def __init__(self, key: Any) -> None:
        self.token_embedding = eqx.nn.Embedding(V, D, key=key)
        self.position_embedding = eqx.nn.Embedding(9, D, key=key)
        self.blocks = [EquinoxBlock(key) for _ in range(L)]
        self.norm = eqx.nn.LayerNorm(D)
        self.head = eqx.nn.Linear(D, V, use_bias=False, key=key)


def spec(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, np.float32)


def nested(paths: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """A tree of paths, with a layer's for each layer."""
    tree: dict[str, Any] = {}
    for path, shape in paths.items():
        for layer in range(L if "{}" in path else 1):
            *within, last = path.format(layer).split("/")
            node = tree
            for step in within:
                node = node.setdefault(step, {})
            node[last] = spec(*shape)
    return tree


def linen_gpt() -> Any:
    return jax.eval_shape(Gpt().init, jax.random.key(0), jnp.zeros((1, 3), int))["params"]


def nnx_gpt() -> Any:
    state = nnx.state(nnx.eval_shape(lambda: NnxGpt(nnx.Rngs(0))), nnx.Param)
    return nnx.to_pure_dict(state)


def equinox_gpt() -> Any:
    model = eqx.filter_eval_shape(EquinoxGpt, jax.random.key(0))
    return eqx.filter(model, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))


TORCH = {
    "attn/c_attn/weight": (D, 3 * D),
    "attn/c_proj/weight": (D, D),
    "mlp/c_fc/weight": (D, F),
    "mlp/c_proj/weight": (F, D),
    "ln_1/weight": (D,),
}
LLAMA_TORCH = {
    "attention/wq/weight": (H * K, D),
    "attention/wo/weight": (D, H * K),
    "feed_forward/w1/weight": (F, D),
    "feed_forward/w2/weight": (D, F),
    "feed_forward/w3/weight": (F, D),
    "ffn_norm/weight": (D,),
}
GEMMA = {
    "attn/q_einsum/w": (H, D, K),
    "attn/kv_einsum/w": (2, 3, D, K),
    "attn/attn_vec_einsum/w": (H, K, D),
    "mlp/gating_einsum": (2, D, F),
    "mlp/linear": (F, D),
    "pre_attention_norm/scale": (D,),
    "pre_ffw_norm/scale": (D,),
}
MAXTEXT = {
    "self_attention/query/kernel": (D, H, K),
    "self_attention/key/kernel": (D, 1, K),
    "self_attention/value/kernel": (D, 1, K),
    "self_attention/out/kernel": (H, K, D),
    "mlp/wi_0/kernel": (D, F),
    "mlp/wi_1/kernel": (D, F),
    "mlp/wo/kernel": (F, D),
    "pre_self_attention_layer_norm/scale": (D,),
    "post_self_attention_layer_norm/scale": (D,),
}
EXPERTS = {
    **{name: MAXTEXT[name] for name in MAXTEXT if not name.startswith("mlp")},
    "MoeBlock_0/gate/kernel": (D, 8),
    "MoeBlock_0/wi_0": (8, D, 24),
    "MoeBlock_0/wi_1": (8, D, 24),
    "MoeBlock_0/wo": (8, 24, D),
}
T5X = {
    **{f"attention/{name}/kernel": (D, H * K) for name in ("query", "key", "value")},
    "attention/out/kernel": (H * K, D),
    "mlp/wi_0/kernel": (D, F),
    "mlp/wi_1/kernel": (D, F),
    "mlp/wo/kernel": (F, D),
    "pre_mlp_layer_norm/scale": (D,),
}
GRIFFIN = {
    "recurrent_block/linear_x/kernel": (D, 96),
    "recurrent_block/linear_x/bias": (96,),
    "recurrent_block/conv_1d/w": (4, 96),
    "recurrent_block/rg_lru/a_gate/w": (H, 24, 24),
    "recurrent_block/rg_lru/a_gate/b": (H, 24),
    "recurrent_block/rg_lru/a_param": (96,),
    "recurrent_block/linear_out/kernel": (96, D),
    "attention_block/proj_q/kernel": (D, D),
    "attention_block/proj_final/kernel": (D, D),
    "mlp_block/ffw_up/w": (2, D, F),
    "mlp_block/ffw_up/b": (2, 1, 1, F),
    "mlp_block/ffw_down/kernel": (F, D),
    "temporal_pre_norm/scale": (D,),
}


def within(prefix: str, names: dict[str, tuple[int, ...]], **others: tuple[int, ...]) -> Any:
    """A tree whose layers are below a prefix."""
    rest = {name.replace("__", "/"): shape for name, shape in others.items()}
    return nested({**{f"{prefix}{name}": shape for name, shape in names.items()}, **rest})


def along(axis: int, names: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The shapes of layers in one array."""
    return {name: (*shape[:axis], L, *shape[axis:]) for name, shape in names.items()}


ENDS = {"token_embedder__embedding": (V, D), "decoder__decoder_norm__scale": (D,)}
HEAD = {"decoder__logits_dense__kernel": (D, V)}
GEMMA_ENDS = {"embedder__input_embedding": (V, D), "final_norm__scale": (D,)}


class Named(NamedTuple):
    """A model, a recipe, and the standard deviation of each kernel in its first layer."""

    model: Callable[[], Any]
    recipe: str
    options: dict[str, Any]
    kernels: dict[str, float]
    naming: str | None = None


LLAMA = {
    "attention.query": (D * K) ** -0.5,
    "attention.key": D**-0.5,
    "attention.value": D**-0.5,
    "attention.out": (H * K) ** -0.5,
    "mlp.gate": D**-0.5,
    "mlp.in": D**-0.5,
    "mlp.out": F**-0.5,
    "head": D**-0.5,
}
MIXTRAL = {
    **{role: LLAMA[role] for role in LLAMA if not role.startswith("mlp")},
    "router": D**-0.5,
    "experts.gate": (8 * 24) ** -0.5,
    "experts.in": (8 * 24) ** -0.5,
    "experts.out": (8 * D) ** -0.5,
}
MIXED = {"head_size": K, "width": D, "experts": 8, "expert_hidden": 24}
BY_INPUTS = {
    "attention.query": D**-0.5,
    "attention.kv": D**-0.5,
    "attention.out": (H * K) ** -0.5,
    "mlp.gate_in": D**-0.5,
    "mlp.out": F**-0.5,
}
NEAR = {"mlp.in": 0.02, "mlp.out": 0.01, "head": 0.02}
QKV = {"attention.query": 0.02, "attention.key": 0.02, "attention.value": 0.02}

MODELS = {
    "linen": Named(linen_gpt, "gpt2", {}, {"attention.qkv": 0.02, "attention.out": 0.01, **NEAR}),
    "nnx": Named(nnx_gpt, "gpt2", {}, {**QKV, "attention.out": 0.01, **NEAR}),
    "equinox": Named(equinox_gpt, "gpt2", {}, {**QKV, "attention.out": 0.01, **NEAR}),
    "transformers": Named(
        lambda: within("transformer/h/{}/", TORCH, transformer__wte__weight=(V, D)),
        *(
            "gpt2",
            {},
            {"attention.qkv": 0.02, "attention.out": 0.01, "mlp.in": 0.02, "mlp.out": 0.01},
        ),
    ),
    "nanogpt": Named(
        lambda: within("transformer/h/{}/", {n: s[::-1] for n, s in TORCH.items()}),
        *(
            "gpt2",
            {},
            {"attention.qkv": 0.02, "attention.out": 0.01, "mlp.in": 0.02, "mlp.out": 0.01},
            "nanogpt",
        ),
    ),
    "checkpoints of mixtral": Named(
        lambda: within(
            "model/layers/{}/",
            {
                "block_sparse_moe/gate/weight": (8, D),
                "block_sparse_moe/experts/7/w1/weight": (24, D),
                "block_sparse_moe/experts/7/w2/weight": (D, 24),
                "block_sparse_moe/experts/7/w3/weight": (24, D),
            },
        ),
        *("mixtral:maxtext", MIXED),
        {role: MIXTRAL[role] for role in MIXTRAL if role.startswith(("router", "experts"))},
    ),
    "torchtitan": Named(
        lambda: within("layers/{}/", LLAMA_TORCH, tok_embeddings__weight=(V, D)),
        *("llama:maxtext", {"head_size": K}),
        {
            role: LLAMA[role]
            for role in LLAMA
            if role.split(".")[-1] not in ("key", "value", "head")
        },
    ),
    "experts of torchtitan": Named(
        lambda: within(
            "layers/{}/moe/",
            {
                "router/gate/weight": (8, D),
                "routed_experts/inner_experts/w1_EFD": (8, 24, D),
                "routed_experts/inner_experts/w2_EDF": (8, D, 24),
                "routed_experts/inner_experts/w3_EFD": (8, 24, D),
                "expert_bias_E": (8,),
            },
        ),
        *("deepseek3:torchtitan", {"width": D}),
        {
            "router": 0.02 / 2**0.5,
            "experts.gate": 0.02,
            "experts.in": 0.02 / 2**0.5,
            "experts.out": 0.02 / 2**0.5,
        },
    ),
    "olmo_core": Named(
        lambda: within(
            "blocks/{}/",
            {
                "attention/w_q/weight": (H * K, D),
                "attention/w_out/weight": (D, H * K),
                "feed_forward/w1/weight": (F, D),
                "feed_forward/w2/weight": (D, F),
                "feed_forward/w3/weight": (F, D),
                "feed_forward_norm/weight": (D,),
            },
            lm_head__norm__weight=(D,),
        ),
        *("olmo:llama_depth", {"width": D}),
        {
            "attention.query": 0.02 * CUT,
            "attention.out": 0.02 * CUT / 2**0.5,
            "mlp.gate": 0.02 * CUT,
            "mlp.in": 0.02 * CUT / 2**0.5,
            "mlp.out": 0.02 * CUT / 2**0.5,
        },
    ),
    # Within ±1 / sqrt(inputs), of stddev 1 / sqrt(3 inputs); so are biases, by their kernels.
    "whisper": Named(
        lambda: within(
            "encoder/blocks/{}/",
            {
                "attn/query/weight": (D, D),
                "attn/query/bias": (D,),
                "mlp/2/weight": (D, F),
                "mlp/2/bias": (D,),
                "attn_ln/bias": (D,),
            },
            encoder__conv1__weight=(D, 20, 3),
            encoder__conv1__bias=(D,),
        ),
        *("whisper", {}),
        {"attention.query": (3 * D) ** -0.5, "mlp.out": (3 * F) ** -0.5, "stem": (3 * 60) ** -0.5},
    ),
    "mamba": Named(
        lambda: within(
            "backbone/layers/{}/mixer/",
            {
                "in_proj/weight": (256, D),
                "conv1d/weight": (128, 1, 4),
                "conv1d/bias": (128,),
                "dt_proj/weight": (128, 8),
                "out_proj/weight": (D, 128),
                "A_log": (128, 16),
            },
        ),
        *("mamba", {}),
        {
            "ssm.in": (3 * D) ** -0.5,
            "ssm.conv": (3 * 4) ** -0.5,
            "ssm.dt": (3 * 8) ** -0.5,
            "ssm.out": (3 * 128 * L) ** -0.5,
        },
    ),
    "big_vision": Named(
        lambda: within("llm/layers/{}/", GEMMA, **{f"llm__{n}": s for n, s in GEMMA_ENDS.items()}),
        *("gemma:bigvision", {"width": D}, BY_INPUTS),
    ),
    "big_vision scanned": Named(
        lambda: within("layers/", along(0, GEMMA), **GEMMA_ENDS),
        *("gemma:bigvision", {"width": D}, BY_INPUTS),
    ),
    "gemma": Named(
        lambda: within("layer_{}/", GEMMA, **GEMMA_ENDS),
        *("gemma:bigvision", {"width": D}, BY_INPUTS),
    ),
    "maxtext": Named(
        lambda: {"params": within("decoder/layers_{}/", MAXTEXT, **ENDS, **HEAD)},
        *("llama:maxtext", {"head_size": K}, LLAMA),
    ),
    "maxtext scanned": Named(
        lambda: within("decoder/layers/", along(1, MAXTEXT), **ENDS, **HEAD),
        *("llama:maxtext", {"head_size": K}, LLAMA),
    ),
    "experts of maxtext": Named(
        lambda: within("decoder/layers/", along(1, EXPERTS), **ENDS, **HEAD),
        *("mixtral:maxtext", MIXED, MIXTRAL),
    ),
    "t5x": Named(
        lambda: within(
            "target/encoder/layers_{}/",
            T5X,
            target__token_embedder__embedding=(V, D),
            target__encoder__encoder_norm__scale=(D,),
            target__encoder__relpos_bias__rel_embedding=(H, 32),
            target__decoder__logits_dense__kernel=(D, V),
        ),
        *("t5", {"head_size": K}, LLAMA),
    ),
    "recurrentgemma": Named(
        lambda: within("blocks.{}/", GRIFFIN, **GEMMA_ENDS),
        *("recurrentgemma", {"width": D}),
        {
            "recurrent.in": D**-0.5,
            "recurrent.conv": (0.01 / 4) ** 0.5,
            "recurrent.gates": (H * 24) ** -0.5,
            "recurrent.out": (2 / (L * 96)) ** 0.5,
            "attention.query": D**-0.5,
            "attention.out": (2 / (L * D)) ** 0.5,
            "mlp.gate_in": (2 * D) ** -0.5,
            "mlp.out": (2 / (L * F)) ** 0.5,
        },
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_kernels_have_the_fans_of_their_roles(name: str) -> None:
    row = MODELS[name]
    rules = recipes.rules(row.recipe, naming=row.naming, **row.options)
    found: dict[str, float] = {}
    for leaf in plan(row.model(), rules).leaves:
        assert leaf.role is not None
        assert leaf.draw is not None
        kernel = len(leaf.shape) > 1 and leaf.role.split(".")[0] not in ("embedding", "position")
        if kernel and not leaf.role.endswith(("bias", "scale", "A_log")):
            found.setdefault(leaf.role, leaf.draw.moments().stddev)
    assert found == {role: pytest.approx(stddev, rel=1e-5) for role, stddev in row.kernels.items()}


def test_biases_have_the_scale_of_the_kernels_beside_them() -> None:
    row = MODELS["whisper"]
    found = {
        leaf.role: leaf.draw.moments().stddev
        for leaf in plan(row.model(), recipes.rules(row.recipe)).leaves
        if leaf.draw is not None
    }
    assert found["norm.bias"] == 0
    for role in row.kernels:
        assert found[f"{role}.bias"] == pytest.approx(found[role])


@pytest.mark.parametrize("name", MODELS)
def test_names_that_serve_together_say_the_same_of_a_path(name: str) -> None:
    """The first of several names decides, so a layout must not depend on their order."""
    row = MODELS[name]
    rules = recipes.rules(row.recipe, naming=row.naming, **row.options).rules
    for leaf in plan(
        row.model(), recipes.rules(row.recipe, naming=row.naming, **row.options)
    ).leaves:
        matching = [rule for rule in rules if re.fullmatch(rule.pattern, join(leaf.path))]
        assert len({(rule.role, rule.layout, rule.initializer) for rule in matching}) == 1


def test_what_an_nnx_module_keeps_of_random_numbers_is_kept() -> None:
    class Model(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.linear = nnx.Linear(32, 32, rngs=rngs)
            self.dropout = nnx.Dropout(0.1, rngs=rngs)

    model = Model(nnx.Rngs(0))
    audit = check(model, "nnx_default")
    audit.assert_ok()
    kept = {leaf.path for leaf in audit.leaves if leaf.role == "random.state"}
    assert kept == {"dropout/rngs/count", "dropout/rngs/key"}
