"""What Hugging Face's transformers call the parameters of their PyTorch models."""

from cthulhu.recipes._naming import naming

LAYER = r"h/(?P<layer>\d+)/"

# Conv1D lies (in, out), unlike Linear.
naming(
    "gpt2",
    "transformers",
    (r"(transformer/)?wte/weight", "embedding"),
    (r"(transformer/)?wpe/weight", "position"),
    (rf"(transformer/)?{LAYER}attn/c_attn/weight", "attention.qkv"),
    (rf"(transformer/)?{LAYER}attn/c_attn/bias", "attention.qkv.bias"),
    (rf"(transformer/)?{LAYER}attn/c_proj/weight", "attention.out"),
    (rf"(transformer/)?{LAYER}attn/c_proj/bias", "attention.out.bias"),
    (rf"(transformer/)?{LAYER}mlp/c_fc/weight", "mlp.in"),
    (rf"(transformer/)?{LAYER}mlp/c_fc/bias", "mlp.in.bias"),
    (rf"(transformer/)?{LAYER}mlp/c_proj/weight", "mlp.out"),
    (rf"(transformer/)?{LAYER}mlp/c_proj/bias", "mlp.out.bias"),
    (rf"(transformer/)?({LAYER}ln_[12]|ln_f)/weight", "norm.scale"),
    (rf"(transformer/)?({LAYER}ln_[12]|ln_f)/bias", "norm.bias"),
    (r"lm_head/weight", "head", "out_in"),
    layout="in_out",
    kernel="weight",
)
