"""What OpenAI's package calls Whisper's parameters."""

from cthulhu.recipes._naming import naming
from cthulhu.recipes.names.transformers import TORCH

LAYER = r"(encoder|decoder)/blocks/(?P<layer>\d+)/"
ATTENTION = LAYER + "(cross_)?attn/"
NORM = rf"({LAYER}(cross_)?(attn|mlp)_ln|encoder/ln_post|decoder/ln)"
naming(
    "whisper",
    "openai",
    (r"encoder/conv[12]/weight", "stem", "torch_conv"),
    (r"encoder/conv[12]/bias", "stem.bias"),
    (r"encoder/positional_embedding", "position.encoder"),
    (r"decoder/token_embedding/weight", "embedding"),
    (r"decoder/positional_embedding", "position"),
    (ATTENTION + "query/weight", "attention.query"),
    (ATTENTION + "query/bias", "attention.query.bias"),
    (ATTENTION + "key/weight", "attention.key"),
    (ATTENTION + "value/weight", "attention.value"),
    (ATTENTION + "value/bias", "attention.value.bias"),
    (ATTENTION + "out/weight", "attention.out"),
    (ATTENTION + "out/bias", "attention.out.bias"),
    (LAYER + "mlp/0/weight", "mlp.in"),
    (LAYER + "mlp/0/bias", "mlp.in.bias"),
    (LAYER + "mlp/2/weight", "mlp.out"),
    (LAYER + "mlp/2/bias", "mlp.out.bias"),
    (NORM + "/weight", "norm.scale"),
    (NORM + "/bias", "norm.bias"),
    **TORCH,
)
