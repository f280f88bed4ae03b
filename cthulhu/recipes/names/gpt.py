"""What small GPTs in PyTorch, Flax, nnx and Equinox call their parameters."""

from cthulhu.recipes._naming import naming
from cthulhu.recipes.names.transformers import GPT2

# karpathy's, and ports of it to Equinox: the names of transformers, but Linear lies (out, in).
naming("gpt2", "nanogpt", *GPT2, layout="out_in", kernel="weight", default=False)

BLOCK = r"(params/)?(transformer/)?h[/_](?P<layer>\d+)/"
FLAX = (
    (r"(params/)?(transformer/)?wte/embedding", "embedding"),
    (r"(params/)?(transformer/)?wpe/embedding", "position"),
    (BLOCK + "attn/c_attn/kernel", "attention.qkv"),
    (BLOCK + "attn/c_attn/bias", "attention.qkv.bias"),
    (BLOCK + "attn/c_proj/kernel", "attention.out"),
    (BLOCK + "attn/c_proj/bias", "attention.out.bias"),
    (BLOCK + "mlp/c_fc/kernel", "mlp.in"),
    (BLOCK + "mlp/c_fc/bias", "mlp.in.bias"),
    (BLOCK + "mlp/c_proj/kernel", "mlp.out"),
    (BLOCK + "mlp/c_proj/bias", "mlp.out.bias"),
    (rf"({BLOCK}ln_[12]|(params/)?(transformer/)?ln_f)/scale", "norm.scale"),
    (rf"({BLOCK}ln_[12]|(params/)?(transformer/)?ln_f)/bias", "norm.bias"),
    (r"(params/)?lm_head/kernel", "head", "in_out"),
)
naming("gpt2", "flax", *FLAX)
# The Flax models that transformers had: the same names, but their Conv1D lies (out, in).
naming("gpt2", "transformers_flax", *FLAX, layout="out_in", default=False)

# The miniGPT of Flax's and JAX's tutorials: attention has an axis of heads.
NNX = r"transformer_blocks/(?P<layer>\d+)/"
naming(
    "gpt2",
    "nnx",
    (r"embedding_layer/token_emb/embedding", "embedding"),
    (r"embedding_layer/pos_emb/embedding", "position"),
    (NNX + "mha/query/kernel", "attention.query", "attention_qkv"),
    (NNX + "mha/query/bias", "attention.query.bias"),
    (NNX + "mha/key/kernel", "attention.key", "attention_qkv"),
    (NNX + "mha/key/bias", "attention.key.bias"),
    (NNX + "mha/value/kernel", "attention.value", "attention_qkv"),
    (NNX + "mha/value/bias", "attention.value.bias"),
    (NNX + "mha/out/kernel", "attention.out", "attention_out"),
    (NNX + "mha/out/bias", "attention.out.bias"),
    (NNX + "linear1/kernel", "mlp.in"),
    (NNX + "linear1/bias", "mlp.in.bias"),
    (NNX + "linear2/kernel", "mlp.out"),
    (NNX + "linear2/bias", "mlp.out.bias"),
    (NNX + "layer_norm[12]/scale", "norm.scale"),
    (NNX + "layer_norm[12]/bias", "norm.bias"),
    (r"output_layer/kernel", "head"),
    (r"output_layer/bias", "head.bias"),
)

# Of equinox.nn's MultiheadAttention and MLP.
EQUINOX = r"(blocks|layers)/(?P<layer>\d+)/"
ATTENTION = EQUINOX + "(attn|attention)/"
naming(
    "gpt2",
    "equinox",
    (r"(token_embedding|token_embedder|embedding)/weight", "embedding"),
    (r"position(al)?_embedd(ing|er)/weight", "position"),
    (ATTENTION + "query_proj/weight", "attention.query"),
    (ATTENTION + "query_proj/bias", "attention.query.bias"),
    (ATTENTION + "key_proj/weight", "attention.key"),
    (ATTENTION + "key_proj/bias", "attention.key.bias"),
    (ATTENTION + "value_proj/weight", "attention.value"),
    (ATTENTION + "value_proj/bias", "attention.value.bias"),
    (ATTENTION + "output_proj/weight", "attention.out"),
    (ATTENTION + "output_proj/bias", "attention.out.bias"),
    (EQUINOX + "mlp/layers/0/weight", "mlp.in"),
    (EQUINOX + "mlp/layers/0/bias", "mlp.in.bias"),
    (EQUINOX + "mlp/layers/1/weight", "mlp.out"),
    (EQUINOX + "mlp/layers/1/bias", "mlp.out.bias"),
    (rf"({EQUINOX})?(ln|(layer_?)?norm)_?[12f]?/weight", "norm.scale"),
    (rf"({EQUINOX})?(ln|(layer_?)?norm)_?[12f]?/bias", "norm.bias"),
    (r"(lm_)?head/weight", "head"),
    layout="out_in",
    kernel="weight",
)
