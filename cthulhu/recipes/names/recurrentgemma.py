"""What RecurrentGemma's own package calls its parameters."""

from cthulhu.recipes._naming import naming

LAYER = r"(params/)?blocks\.(?P<layer>\d+)/"
RECURRENT = LAYER + "recurrent_block/"
ATTENTION = LAYER + "attention_block/"
naming(
    "recurrentgemma",
    "deepmind",
    (r"(params/)?embedder/input_embedding", "embedding"),
    (RECURRENT + "linear_x/kernel", "recurrent.in"),
    (RECURRENT + "linear_x/bias", "recurrent.in.bias"),
    (RECURRENT + "linear_y/kernel", "recurrent.gate"),
    (RECURRENT + "linear_y/bias", "recurrent.gate.bias"),
    (RECURRENT + "conv_1d/w", "recurrent.conv"),
    (RECURRENT + "conv_1d/b", "recurrent.conv.bias"),
    (RECURRENT + "rg_lru/(input|a)_gate/w", "recurrent.gates", "moe"),
    (RECURRENT + "rg_lru/(input|a)_gate/b", "recurrent.gates.bias"),
    (RECURRENT + "rg_lru/a_param", "recurrent.a"),
    (RECURRENT + "linear_out/kernel", "recurrent.out"),
    (RECURRENT + "linear_out/bias", "recurrent.out.bias"),
    (ATTENTION + "proj_q/kernel", "attention.query"),
    (ATTENTION + "proj_k/kernel", "attention.key"),
    (ATTENTION + "proj_v/kernel", "attention.value"),
    (ATTENTION + "proj_final/kernel", "attention.out"),
    (ATTENTION + "proj_final/bias", "attention.out.bias"),
    (LAYER + "mlp_block/ffw_up/w", "mlp.gate_in", "moe"),
    (LAYER + "mlp_block/ffw_up/b", "mlp.gate_in.bias"),
    (LAYER + "mlp_block/ffw_down/kernel", "mlp.out"),
    (LAYER + "mlp_block/ffw_down/bias", "mlp.out.bias"),
    (rf"({LAYER}(temporal|channel)_pre|(params/)?final)_norm/scale", "norm.scale"),
)
