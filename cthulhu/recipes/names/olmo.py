"""What OLMo-core calls the parameters of its decoders."""

from cthulhu.recipes._naming import naming
from cthulhu.recipes.names.transformers import TORCH

LAYER = r"blocks/(?P<layer>\d+)/"
naming(
    "olmo",
    "olmo_core",
    (r"embeddings/weight", "embedding"),
    (LAYER + "attention/w_q/weight", "attention.query"),
    (LAYER + "attention/w_k/weight", "attention.key"),
    (LAYER + "attention/w_v/weight", "attention.value"),
    (LAYER + "attention/w_qkv/weight", "attention.qkv"),
    (LAYER + "attention/w_out/weight", "attention.out"),
    (LAYER + "feed_forward/w1/weight", "mlp.gate"),
    (LAYER + "feed_forward/w2/weight", "mlp.out"),
    (LAYER + "feed_forward/w3/weight", "mlp.in"),
    (rf"({LAYER}(attention/)?|lm_head/)[a-z_]*norm/weight", "norm.scale"),
    (r"lm_head/w_out/weight", "head"),
    **TORCH,
)
