"""The recipes of language models, against the models that transformers make of small configs."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from cthulhu import recipes
from cthulhu.adapters.torch import tree
from cthulhu.audit import check
from tests.recipes.against import RATE, assert_drawn_alike, assert_told

with warnings.catch_warnings():
    # What they do when they are imported is their own.
    warnings.simplefilter("ignore")
    torch: Any = pytest.importorskip("torch")
    hf: Any = pytest.importorskip("transformers")

D = 128


class Reference(NamedTuple):
    """A model, the recipe of its own initialization, and where another recipe differs."""

    build: Callable[[], Any]
    recipe: str
    options: dict[str, Any]
    sibling: str
    sibling_options: dict[str, Any]
    flagged: str


def model(kind: str, config: str, settings: dict[str, Any], **later: Any) -> Callable[[], Any]:
    """What builds a model; a config makes settings that are set later otherwise."""

    def build() -> Any:
        made = getattr(hf, config)(**settings)
        for name, value in later.items():
            setattr(made, name, value)
        return getattr(hf, kind)(made)

    return build


SMALL = {"hidden_size": D, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 300}
DECODER = {**SMALL, "intermediate_size": 256, "num_key_value_heads": 2}
KERNELS = "attention.query attention.key attention.value attention.out mlp.in mlp.out"
BIASES = "attention.query.bias attention.value.bias attention.out.bias mlp.in.bias mlp.out.bias"

GPT2 = {"n_embd": D, "n_layer": 2, "n_head": 4, "vocab_size": 300}
SPECIAL = {"bos_token_id": 1, "eos_token_id": 2}
T5 = {"d_model": D, "d_kv": 32, "d_ff": 256, "num_layers": 2, "num_heads": 8, "vocab_size": 300}
MAMBA = {"hidden_size": D, "num_hidden_layers": 2, "vocab_size": 300}
# More than 16 heads, as otherwise the decays of both variants could be one draw.
MAMBA2 = {**MAMBA, "num_heads": 64, "head_dim": 4, "n_groups": 2, "state_size": 32}
DEEPSEEK = {
    **DECODER,
    "num_hidden_layers": 3,
    "num_key_value_heads": 4,
    "moe_intermediate_size": 64,
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "n_group": 2,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "q_lora_rank": 64,
    "kv_lora_rank": 64,
    "qk_rope_head_dim": 16,
    "qk_nope_head_dim": 32,
    "v_head_dim": 32,
}
WHISPER = {
    "d_model": D,
    "vocab_size": 300,
    "pad_token_id": 3,
    "decoder_start_token_id": 1,
    **SPECIAL,
    **{f"{part}_{what}": n for part in ("encoder", "decoder") for what, n in (("layers", 2),)},
    **{f"{part}_attention_heads": 4 for part in ("encoder", "decoder")},
    **{f"{part}_ffn_dim": 256 for part in ("encoder", "decoder")},
}
GEMMA = {**DECODER, "head_dim": 32}
GRIFFIN = {**DECODER, "num_hidden_layers": 3, "num_key_value_heads": 1, "lru_width": D}
QWEN = {
    **GEMMA,
    "num_hidden_layers": 4,
    "num_experts": 4,
    "moe_intermediate_size": 64,
    "shared_expert_intermediate_size": 64,
    "linear_num_key_heads": 16,
    "linear_num_value_heads": 64,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
}

REFERENCES = {
    "gpt2": Reference(
        model("GPT2LMHeadModel", "GPT2Config", {**GPT2, **SPECIAL}),
        *("gpt2", {}, "gpt2:openai", {}),
        "position attention.out mlp.out",
    ),
    # transformers make GPT-NeoX as they make Llama, and not as its authors did.
    "gpt-neox": Reference(
        model("GPTNeoXForCausalLM", "GPTNeoXConfig", {**SMALL, "intermediate_size": 256}),
        *("gpt2:openai", {}, "gpt2:neox", {"width": D}),
        "embedding attention.qkv attention.out mlp.in mlp.out head",
    ),
    "llama": Reference(
        model("LlamaForCausalLM", "LlamaConfig", DECODER),
        *("llama:hf", {}, "llama:maxtext", {"head_size": 32}),
        f"embedding {KERNELS} mlp.gate head",
    ),
    "llama3": Reference(
        model("LlamaForCausalLM", "LlamaConfig", DECODER),
        *("llama:hf", {}, "llama3:torchtitan", {"width": D}),
        "embedding attention.out mlp.in mlp.out head",
    ),
    "bert": Reference(
        model("BertForPreTraining", "BertConfig", {**SMALL, "intermediate_size": 256}),
        *("bert:hf", {}, "bert", {}),
        f"embedding position embedding.type {KERNELS} pooler head.transform classifier",
    ),
    "t5": Reference(
        model("T5ForConditionalGeneration", "T5Config", T5),
        *("t5:hf", {"width": D, "head_size": 32}, "t5:t5x", {"head_size": 32}),
        "position.relative mlp.in mlp.out",
    ),
    # Of 1.1 on: a gate, and a head of its own. The config ties it, whatever it is told.
    "t5 1.1": Reference(
        model(
            "T5ForConditionalGeneration",
            "T5Config",
            {**T5, "feed_forward_proj": "gated-gelu"},
            tie_word_embeddings=False,
        ),
        *("t5:hf", {"width": D, "head_size": 32}, "t5:t5x", {"head_size": 32}),
        "position.relative mlp.gate mlp.in mlp.out head",
    ),
    "mamba": Reference(
        model("MambaForCausalLM", "MambaConfig", MAMBA),
        *("mamba:hf", {}, "mamba", {}),
        "embedding ssm.in ssm.x ssm.conv.bias ssm.out",
    ),
    "mamba2": Reference(
        model("Mamba2ForCausalLM", "Mamba2Config", MAMBA2),
        *("mamba2:hf", {}, "mamba2", {}),
        "embedding ssm.in ssm.conv.bias ssm.A_log ssm.out head",
    ),
    "mixtral": Reference(
        model("MixtralForCausalLM", "MixtralConfig", {**DECODER, "num_local_experts": 4}),
        *("mixtral:hf", {}, "mixtral:nanotron", {"stddev": 0.02}),
        "attention.out experts.out",
    ),
    "deepseek3": Reference(
        model("DeepseekV3ForCausalLM", "DeepseekV3Config", DEEPSEEK),
        *("deepseek3:hf", {}, "deepseek3:torchtitan", {"width": D}),
        "embedding attention.out mlp.in mlp.out router experts.gate_in experts.out head",
    ),
    "whisper": Reference(
        model("WhisperForConditionalGeneration", "WhisperConfig", WHISPER),
        *("whisper:hf", {"padding": 3}, "whisper", {}),
        f"stem stem.bias embedding position {KERNELS} {BIASES}",
    ),
    "gemma": Reference(
        model("GemmaForCausalLM", "GemmaConfig", GEMMA),
        *("gemma:hf", {}, "gemma:bigvision", {"width": D}),
        f"embedding {KERNELS} mlp.gate",
    ),
    "gemma3": Reference(
        model("Gemma3ForCausalLM", "Gemma3TextConfig", GEMMA),
        *("gemma:hf", {}, "gemma:deepmind", {}),
        f"embedding {KERNELS} mlp.gate",
    ),
    "recurrentgemma": Reference(
        model("RecurrentGemmaForCausalLM", "RecurrentGemmaConfig", GRIFFIN),
        *("recurrentgemma:hf", {"width": D}, "recurrentgemma", {"width": D}),
        "embedding recurrent.gates mlp.gate mlp.in mlp.out",
    ),
    "qwen3next": Reference(
        model("Qwen3NextForCausalLM", "Qwen3NextConfig", QWEN),
        *("qwen3next", {}, "qwen3next:maxtext"),
        {"head_size": 32, "width": D, "experts": 4, "expert_hidden": 64},
        # Decays that differ below 0.01, of which there is one in 1,600, cannot be told.
        f"embedding {KERNELS} mlp.gate router experts.gate_in experts.out experts.shared_gate "
        "ssm.in ssm.gates ssm.conv ssm.out head",
    ),
}


@pytest.fixture(scope="module", params=REFERENCES)
def made(request: pytest.FixtureRequest) -> Iterator[tuple[Reference, Any]]:
    """A row, and the parameters that its reference makes."""
    row = REFERENCES[request.param]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        yield row, tree(row.build().state_dict())


def test_the_reference_has_the_laws_of_its_recipe(made: tuple[Reference, Any]) -> None:
    row, params = made
    check(params, row.recipe, rate=RATE, **row.options).assert_ok()


def test_another_recipe_is_told_by_the_roles_where_it_differs(made: tuple[Reference, Any]) -> None:
    row, params = made
    assert_told(params, row.sibling, row.flagged, **row.sibling_options)


def test_the_recipe_draws_what_the_reference_draws(made: tuple[Reference, Any]) -> None:
    row, params = made
    assert_drawn_alike(params, recipes.rules(row.recipe, **row.options))
