"""What PEFT and nnx call the factors of low-rank adapters; what is beneath them stays."""

from cthulhu.recipes._naming import naming

BASE = r"(?!(.*/)?lora[/_]).*"

naming(
    "lora",
    "peft",
    (r".*/lora_A/[^/]+/weight", "lora.a"),
    (r".*/lora_B/[^/]+/weight", "lora.b"),
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
    (r"(.*/)?lora_b", "lora.b"),
    (BASE, "base"),
)
