"""BERT, whose authors' normal is cut at two stddevs and whose port's is not."""

from collections.abc import Sequence

from cthulhu.initializers import RandomNormal
from cthulhu.recipes._recipe import Row, family, row
from cthulhu.recipes._shared import cut, padded

GOOGLE = "google-research/bert, modeling.py"
HF = "huggingface/transformers, modeling_utils.py, models/bert/modeling_bert.py"

BERT = family(
    "bert",
    roles="""
        embedding position embedding.type norm.scale norm.bias
        attention.query attention.query.bias attention.key attention.key.bias
        attention.value attention.value.bias attention.out attention.out.bias
        mlp.in mlp.in.bias mlp.out mlp.out.bias
        pooler pooler.bias head.transform head.transform.bias head.bias
        classifier classifier.bias
    """,
    layers=12,
    width=768,
    hidden=3072,
    heads=12,
    kv_heads=12,
    head_size=64,
    vocabulary=30522,
    positions=512,
    types=2,
    classes=2,
)


@BERT.variant("", "google")
def google(*, stddev: float = 0.02) -> Sequence[Row]:
    """BERT as its authors make it: cut at two stddevs, so 0.88 as wide as it says."""
    normal = cut(stddev)
    return (
        row("embedding position embedding.type kernel", normal, GOOGLE),
        row("bias", "zeros", GOOGLE),
        row("scale", "ones", GOOGLE),
    )


@BERT.variant("hf")
def hugging_face(*, stddev: float = 0.02, padding: int | None = 0) -> Sequence[Row]:
    """BERT as transformers makes it: not cut, and with a row of zeros for padding."""
    normal = RandomNormal(stddev=stddev)
    return (
        row("embedding", padded(normal, padding), HF),
        row("position embedding.type kernel", normal, HF),
        row("bias", "zeros", HF),
        row("scale", "ones", HF),
    )
