"""DeepSeek-V3, whose authors published no initialization."""

from collections.abc import Sequence

from cthulhu.initializers import ByDepth, RandomNormal
from cthulhu.recipes._recipe import Row, changed, family, row
from cthulhu.recipes.families import llama

HF = "huggingface/transformers, models/deepseek_v3/modeling_deepseek_v3.py"
TORCHTITAN = "pytorch/torchtitan, models/deepseek_v3/__init__.py"

DEEPSEEK3 = family(
    "deepseek3",
    roles="""
        embedding
        attention.query_down attention.query_up attention.kv_down attention.kv_up attention.out
        mlp.gate mlp.in mlp.out
        router router.correction experts.gate experts.in experts.out norm.scale head
    """,
    shapes={
        "attention.query_up": "query_rank heads*head_size+heads*rotary",
        "attention.kv_down": "width kv_rank+rotary",
    },
    layers=61,
    width=7168,
    hidden=18432,
    heads=128,
    head_size=128,
    rotary=64,
    query_rank=1536,
    kv_rank=512,
    experts=256,
    expert_hidden=2048,
    vocabulary=129280,
)


@DEEPSEEK3.variant("hf")
def hugging_face(*, stddev: float = 0.02) -> Sequence[Row]:
    """DeepSeek-V3 as transformers makes it: one law for all kernels."""
    return (
        row("embedding kernel", RandomNormal(stddev=stddev), HF),
        row("bias", "zeros", HF),
        row("scale", "ones", HF),
    )


@DEEPSEEK3.variant("torchtitan")
def torchtitan(*, width: int) -> Sequence[Row]:
    """DeepSeek-V3 as torchtitan makes it: as its Llama 3, with experts and routers."""
    rows = [one._replace(source=TORCHTITAN) for one in llama.torchtitan(width=width)]
    by_depth = ByDepth(llama.NARROW, "1/sqrt(2 * (l + 1))")
    return changed(rows, row("router experts.in experts.out", by_depth, TORCHTITAN))
