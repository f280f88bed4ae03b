"""What torchtitan calls the parameters of its decoders; Llama's authors call them so too."""

from cthulhu.recipes._naming import naming
from cthulhu.recipes.names.transformers import TORCH

LAYER = r"layers/(?P<layer>\d+)/"
ATTENTION = LAYER + "attention/(qkv_linear/)?"
FEED_FORWARD = LAYER + "(feed_forward|moe/shared_experts)/"
EXPERTS = LAYER + "moe/routed_experts/inner_experts/"
DECODER = (
    (r"tok_embeddings/weight", "embedding"),
    (ATTENTION + "wq/weight", "attention.query"),
    (ATTENTION + "wk/weight", "attention.key"),
    (ATTENTION + "wv/weight", "attention.value"),
    (ATTENTION + "wo/weight", "attention.out"),
    (FEED_FORWARD + "w1/weight", "mlp.gate"),
    (FEED_FORWARD + "w2/weight", "mlp.out"),
    (FEED_FORWARD + "w3/weight", "mlp.in"),
    (rf"({LAYER}(attention/)?[a-z]+_)?norm/weight", "norm.scale"),
    (r"(output|lm_head)/weight", "head"),
)
naming("llama llama3", "torchtitan", *DECODER, **TORCH)
naming(
    "deepseek3",
    "torchtitan",
    *DECODER,
    (ATTENTION + "wq_a/weight", "attention.query_down"),
    (ATTENTION + "wq_b/weight", "attention.query_up"),
    (ATTENTION + "wkv_a/weight", "attention.kv_down"),
    (ATTENTION + "wkv_b/weight", "attention.kv_up"),
    (LAYER + "moe/router/gate/weight", "router"),
    (LAYER + "moe/expert_bias(_E)?", "router.correction"),
    (EXPERTS + "w1(_EFD)?", "experts.gate", "torch_linear"),
    (EXPERTS + "w2(_EDF)?", "experts.out", "torch_linear"),
    (EXPERTS + "w3(_EFD)?", "experts.in", "torch_linear"),
    **TORCH,
)
