"""What t5x calls T5's parameters."""

from cthulhu.recipes._naming import naming

LAYER = r"(params/)?(target/)?(encoder|decoder)/layers_(?P<layer>\d+)/"
ATTENTION = LAYER + "(attention|self_attention|encoder_decoder_attention)/"
naming(
    "t5",
    "t5x",
    (r"(params/)?(target/)?token_embedder/embedding", "embedding"),
    (r"(params/)?(target/)?(encoder|decoder)/relpos_bias/rel_embedding", "position.relative"),
    (ATTENTION + "query/kernel", "attention.query"),
    (ATTENTION + "key/kernel", "attention.key"),
    (ATTENTION + "value/kernel", "attention.value"),
    (ATTENTION + "out/kernel", "attention.out"),
    (LAYER + "mlp/wi_0/kernel", "mlp.gate"),
    (LAYER + "mlp/wi(_1)?/kernel", "mlp.in"),
    (LAYER + "mlp/wo/kernel", "mlp.out"),
    (
        rf"({LAYER}[a-z_]+_layer|(params/)?(target/)?(encoder|decoder)/(en|de)coder)_norm/scale",
        "norm.scale",
    ),
    (r"(params/)?(target/)?decoder/logits_dense/kernel", "head"),
)
