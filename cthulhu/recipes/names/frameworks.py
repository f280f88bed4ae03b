"""What frameworks call the parameters of their own layers, by their usual names.

Where a name does not tell, a kernel is meant: of a vector, that is an error.
"""

from cthulhu.fans import Layout
from cthulhu.recipes._naming import BATCH_STATISTICS, Name, naming

TABLE = r"([^/]*[eE]mb(edding|eddings|ed|edder)?|wte|wpe|[^/]*_emb(ed(ding)?)?(_[^/]*)?)"
NORM = r"([^/]*[nN]orm\d*|(bn|ln)(_?[^/]*)?|[^/]*_(bn|ln)\d*|downsample/1)"
BILINEAR = r"[^/]*[bB]ilinear[^/]*"
CELL = r"[^/]*([lL][sS][tT][mM]|[gG][rR][uU]|[cC]ell)[^/]*"


def within(module: str, name: str) -> str:
    """The path of a parameter of a module; of any, where there is none else."""
    return f"(.*/)?{module}/{name}"


def outside(*modules: str, name: str) -> str:
    """The path of a parameter of no such module."""
    return f"(?!(.*/)?({'|'.join(modules)})/{name}$)(.*/)?{name}"


# Each layer of a torch RNN has four arrays of its own, and what all depend on is one of them.
RECURRENT = [
    name
    for suffix in ("", *(f"_l{layer}{way}" for layer in range(8) for way in ("", "_reverse")))
    for name in (
        Name(f"(.*/)?weight_ih{suffix}", "recurrent.input", kernel=f"weight_hh{suffix}"),
        Name(f"(.*/)?weight_hh{suffix}", "recurrent.kernel"),
        Name(f"(.*/)?bias_[ih]h{suffix}", "recurrent.kernel.bias", kernel=f"weight_hh{suffix}"),
    )
]

naming(
    "torch_default",
    "torch",
    (within(TABLE, "weight"), "table"),
    (r"(.*/)?in_proj_weight", "attention.qkv"),
    (r"(.*/)?in_proj_bias", "attention.qkv.bias"),
    (r"(.*/)?q_proj_weight", "attention.query"),
    (r"(.*/)?k_proj_weight", "attention.key"),
    (r"(.*/)?v_proj_weight", "attention.value"),
    (r"(.*/)?bias_[kv]", "attention.bias_kv"),
    # That of torch's own attention; of another module it is a bias as any.
    (within("out_proj", "weight"), "attention.out"),
    (within("out_proj", "bias"), "attention.out.bias"),
    *RECURRENT,
    (within(NORM, "weight"), "norm.scale"),
    (within(NORM, "bias"), "norm.bias"),
    # (out, in, in of the second), of which the first counts.
    (within(BILINEAR, "weight"), "kernel", Layout(1, 0, "rest")),
    (outside(TABLE, "out_proj", NORM, BILINEAR, name="weight"), "kernel"),
    (outside("out_proj", NORM, name="bias"), "kernel.bias"),
    *BATCH_STATISTICS,
    layout="out_in",
    kernel="weight",
)

naming(
    "equinox_default",
    "equinox",
    (within(TABLE, "weight"), "table"),
    Name(r"(.*/)?weight_ih", "recurrent.input", kernel="weight_hh"),
    (r"(.*/)?weight_hh", "recurrent.kernel"),
    Name(within(CELL, "bias(_n)?"), "recurrent.kernel.bias", kernel="weight_hh"),
    (within(NORM, "weight"), "norm.scale"),
    (within(NORM, "bias"), "norm.bias"),
    (outside(TABLE, NORM, name="weight"), "kernel"),
    (outside(CELL, NORM, name="bias"), "kernel.bias"),
    layout="out_in",
    kernel="weight",
)

# A DenseGeneral of several axes has fans of its own: attention's (features, heads, size) do.
PROJECTION = "(query|key|value)"
RECURRENT_DENSE = r"(h[ifgorzn]|dense_h)"

naming(
    "linen_default nnx_default",
    "flax",
    (r"(.*/)?embedding", "table"),
    (within("query", "kernel"), "attention.query", "attention_qkv"),
    (within("key", "kernel"), "attention.key", "attention_qkv"),
    (within("value", "kernel"), "attention.value", "attention_qkv"),
    (within(RECURRENT_DENSE, "kernel"), "recurrent.kernel"),
    (outside(PROJECTION, RECURRENT_DENSE, name="kernel"), "kernel"),
    (within("if", "bias"), "recurrent.input.bias"),
    (outside("if", name="bias"), "bias"),
    (r"(.*/)?scale", "norm.scale"),
    (r"(.*/)?lora_a", "lora.a"),
    (r"(.*/)?lora_b", "lora.b"),
    (r"(.*/)?mean", "statistics.mean"),
    (r"(.*/)?var", "statistics.variance"),
    (r"(.*/)?rngs/(.*/)?(key|count)", "random.state"),
)

naming(
    "keras_default",
    "keras",
    (r"(.*/)?embeddings", "table"),
    (r"(.*/)?recurrent_kernel", "recurrent.kernel"),
    (within("query", "kernel"), "attention.query", "attention_qkv"),
    (within("key", "kernel"), "attention.key", "attention_qkv"),
    (within("value", "kernel"), "attention.value", "attention_qkv"),
    (within("attention_output", "kernel"), "attention.out", "attention_out"),
    (outside(PROJECTION, "attention_output", name="kernel"), "kernel"),
    (r"(.*/)?(depthwise|pointwise)_kernel", "kernel"),
    (within("[^/]*lstm_cell[^/]*", "bias"), "recurrent.kernel.bias"),
    (outside("[^/]*lstm_cell[^/]*", name="bias"), "bias"),
    (r"(.*/)?beta", "bias"),
    (r"(.*/)?(gamma|scale)", "norm.scale"),
    (r"(.*/)?moving_mean", "statistics.mean"),
    (r"(.*/)?moving_variance", "statistics.variance"),
)

naming(
    "haiku_default",
    "haiku",
    (r"(.*/)?embeddings", "table"),
    (r"(.*/)?w", "kernel"),
    (r"(.*/)?w_i", "recurrent.input"),
    (r"(.*/)?w_h", "recurrent.kernel"),
    (r"(.*/)?(b|offset)", "bias"),
    (r"(.*/)?scale", "norm.scale"),
)
