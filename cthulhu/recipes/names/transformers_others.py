"""What transformers call the parameters of encoder-decoders, and of state-space models."""

from cthulhu.recipes._naming import naming
from cthulhu.recipes.names.transformers import TORCH

T5 = r"(encoder|decoder)/block/(?P<layer>\d+)/layer/\d/"
naming(
    "t5",
    "transformers",
    (r"shared/weight|(encoder|decoder)/embed_tokens/weight", "embedding"),
    (T5 + "SelfAttention/relative_attention_bias/weight", "position.relative"),
    (T5 + "(SelfAttention|EncDecAttention)/q/weight", "attention.query"),
    (T5 + "(SelfAttention|EncDecAttention)/k/weight", "attention.key"),
    (T5 + "(SelfAttention|EncDecAttention)/v/weight", "attention.value"),
    (T5 + "(SelfAttention|EncDecAttention)/o/weight", "attention.out"),
    (T5 + "DenseReluDense/wi_0/weight", "mlp.gate"),
    (T5 + "DenseReluDense/wi(_1)?/weight", "mlp.in"),
    (T5 + "DenseReluDense/wo/weight", "mlp.out"),
    (rf"({T5}|(encoder|decoder)/final_)layer_norm/weight", "norm.scale"),
    (r"lm_head/weight", "head"),
    **TORCH,
)

WHISPER = r"(model/)?(encoder|decoder)/layers/(?P<layer>\d+)/"
WHISPER_ATTENTION = WHISPER + "(self|encoder)_attn/"
WHISPER_NORM = rf"({WHISPER}[a-z_]+|(model/)?(encoder|decoder)/)layer_norm"
naming(
    "whisper",
    "transformers",
    (r"(model/)?encoder/conv[12]/weight", "stem", "torch_conv"),
    (r"(model/)?encoder/conv[12]/bias", "stem.bias"),
    (r"(model/)?encoder/embed_positions/weight", "position.encoder"),
    (r"(model/)?decoder/embed_tokens/weight|proj_out/weight", "embedding"),
    (r"(model/)?decoder/embed_positions/weight", "position"),
    (WHISPER_ATTENTION + "q_proj/weight", "attention.query"),
    (WHISPER_ATTENTION + "q_proj/bias", "attention.query.bias"),
    (WHISPER_ATTENTION + "k_proj/weight", "attention.key"),
    (WHISPER_ATTENTION + "v_proj/weight", "attention.value"),
    (WHISPER_ATTENTION + "v_proj/bias", "attention.value.bias"),
    (WHISPER_ATTENTION + "out_proj/weight", "attention.out"),
    (WHISPER_ATTENTION + "out_proj/bias", "attention.out.bias"),
    (WHISPER + "fc1/weight", "mlp.in"),
    (WHISPER + "fc1/bias", "mlp.in.bias"),
    (WHISPER + "fc2/weight", "mlp.out"),
    (WHISPER + "fc2/bias", "mlp.out.bias"),
    (WHISPER_NORM + "/weight", "norm.scale"),
    (WHISPER_NORM + "/bias", "norm.bias"),
    **TORCH,
)

# The authors' package has the same names, but for the table.
MAMBA = r"backbone/layers/(?P<layer>\d+)/"
STATES = (
    (r"backbone/embeddings?/weight", "embedding"),
    (MAMBA + "mixer/in_proj/weight", "ssm.in"),
    (MAMBA + "mixer/in_proj/bias", "ssm.in.bias"),
    (MAMBA + "mixer/conv1d/weight", "ssm.conv", "torch_conv"),
    (MAMBA + "mixer/conv1d/bias", "ssm.conv.bias"),
    (MAMBA + "mixer/A_log", "ssm.A_log"),
    (MAMBA + "mixer/D", "ssm.D"),
    (MAMBA + "mixer/out_proj/weight", "ssm.out"),
    (MAMBA + "mixer/out_proj/bias", "ssm.out.bias"),
    (rf"({MAMBA}norm2?|backbone/norm_f)/weight", "norm.scale"),
    (rf"({MAMBA}norm2?|backbone/norm_f)/bias", "norm.bias"),
    (MAMBA + "mlp/fc1/weight", "mlp.gate_in"),
    (MAMBA + "mlp/fc2/weight", "mlp.out"),
    (r"lm_head/weight", "head"),
)
naming(
    "mamba",
    "transformers",
    *STATES,
    (MAMBA + "mixer/x_proj/weight", "ssm.x"),
    (MAMBA + "mixer/dt_proj/weight", "ssm.dt"),
    (MAMBA + "mixer/dt_proj/bias", "ssm.dt.bias"),
    **TORCH,
)
naming(
    "mamba2",
    "transformers",
    *STATES,
    (MAMBA + "mixer/dt_bias", "ssm.dt.bias"),
    (MAMBA + "mixer/norm/weight", "norm.gated.scale"),
    **TORCH,
)
