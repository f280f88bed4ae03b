"""What PEFT and nnx call the factors of low-rank adapters; what is beneath them stays."""

from cthulhu.recipes._naming import Name, naming

BASE = r"(?!(.*/)?lora[/_]).*"

naming(
    "lora",
    "peft",
    (r".*/lora_A/[^/]+/weight", "lora.a"),
    Name(r".*/lora_B/default/weight", "lora.b", kernel="../../lora_A/default/weight"),
    # Where B depends on A, an adapter of another name needs a line of its own.
    (r".*/lora_B/(?!default/)[^/]+/weight", "lora.b"),
    (r".*/lora_B/[^/]+/bias", "lora.b.bias"),
    (r".*/lora_embedding_A/[^/]+", "lora.embedding.a"),
    (r".*/lora_embedding_B/[^/]+", "lora.embedding.b"),
    (BASE, "base"),
    layout="out_in",
    kernel="weight",
)

naming(
    "lora",
    "nnx",
    (r"(.*/)?lora_a", "lora.a"),
    Name(r"(.*/)?lora_b", "lora.b", kernel="lora_a"),
    (BASE, "base"),
)
