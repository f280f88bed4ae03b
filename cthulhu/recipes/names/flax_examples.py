"""What Flax's examples call the parameters of their ResNets, in linen."""

from cthulhu.recipes._naming import naming, pairs

ROOT = r"(params/)?"
UNIT = rf"{ROOT}(Bottleneck)?ResNetBlock_\d+"

naming(
    "resnet",
    "flax",
    *pairs(
        {
            rf"{ROOT}conv_init": "stem",
            rf"{UNIT}/Conv(Local)?_\d": "conv",
            rf"{UNIT}/conv_proj": "downsample",
            rf"({ROOT}bn_init|{UNIT}/norm_proj|{UNIT}/BatchNorm_0)": "norm.scale",
            rf"{ROOT}BottleneckResNetBlock_\d+/BatchNorm_1": "norm.scale",
            rf"{ROOT}ResNetBlock_\d+/BatchNorm_1": "norm.last.scale",
            rf"{ROOT}BottleneckResNetBlock_\d+/BatchNorm_2": "norm.last.scale",
            rf"{ROOT}Dense_0": "head",
        },
        kernel="kernel",
        scale="scale",
    ),
    (r"(batch_stats/)?.*/mean", "statistics.mean"),
    (r"(batch_stats/)?.*/var", "statistics.variance"),
)
