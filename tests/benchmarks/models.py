"""The models of the benchmarks: a standard form of each, in its framework."""

import functools


def gpt2(layers, own=False):
    """GPT-2 124M, or a deeper one: its flax.linen module and an input.

    Its initializers are those of JAX, or `own`: those of this library.
    """
    import flax.linen as nn
    import jax.numpy as jnp

    normal, zeros, ones = nn.initializers.normal(0.02), nn.initializers.zeros, nn.initializers.ones
    if own:
        from cthulhu import initializers

        normal = initializers.RandomNormal(stddev=0.02)
        zeros, ones = initializers.Zeros(), initializers.Ones()
    weights = {"kernel_init": normal, "bias_init": zeros}
    norm = functools.partial(nn.LayerNorm, scale_init=ones, bias_init=zeros)

    class Block(nn.Module):
        width: int
        heads: int

        @nn.compact
        def __call__(self, x):
            attention = nn.MultiHeadDotProductAttention(self.heads, name="attention", **weights)
            y = norm(name="norm_1")(x)
            x = x + attention(y, y)
            y = nn.Dense(4 * self.width, name="up", **weights)(norm(name="norm_2")(x))
            return x + nn.Dense(self.width, name="down", **weights)(nn.gelu(y))

    class GPT2(nn.Module):
        layers: int
        width: int = 768
        heads: int = 12
        vocabulary: int = 50257
        context: int = 1024

        @nn.compact
        def __call__(self, tokens):
            table = nn.Embed(self.vocabulary, self.width, embedding_init=normal, name="wte")
            places = nn.Embed(self.context, self.width, embedding_init=normal, name="wpe")
            x = table(tokens) + places(jnp.arange(tokens.shape[1]))[None]
            for number in range(self.layers):
                x = Block(self.width, self.heads, name=f"h{number}")(x)
            return table.attend(norm(name="norm")(x))

    return GPT2(layers), jnp.zeros((1, 8), jnp.int32)


def gpt2_rules(layers):
    """GPT-2's published scheme: 0.02, less for what is added to the residual stream."""
    from cthulhu import initializers

    residual = initializers.RandomNormal(stddev=0.02 / (2 * layers) ** 0.5)
    return [
        (r".*/(attention/out|down)/kernel", residual),
        (r".*/(kernel|embedding)", initializers.RandomNormal(stddev=0.02)),
        (r".*/scale", "ones"),
        (r".*/bias", "zeros"),
    ]


def nnx_transformer(layers=12, width=512, heads=8, vocabulary=8192, context=512):
    """A transformer of flax.nnx: a function from a key to its parameters."""
    import jax.numpy as jnp
    from flax import nnx

    class Block(nnx.Module):
        def __init__(self, rngs):
            self.norm_1 = nnx.LayerNorm(width, rngs=rngs)
            self.attention = nnx.MultiHeadAttention(heads, width, decode=False, rngs=rngs)
            self.norm_2 = nnx.LayerNorm(width, rngs=rngs)
            self.up = nnx.Linear(width, 4 * width, rngs=rngs)
            self.down = nnx.Linear(4 * width, width, rngs=rngs)

        def __call__(self, x):
            x = x + self.attention(self.norm_1(x))
            return x + self.down(nnx.gelu(self.up(self.norm_2(x))))

    class Transformer(nnx.Module):
        def __init__(self, rngs):
            self.table = nnx.Embed(vocabulary, width, rngs=rngs)
            self.places = nnx.Embed(context, width, rngs=rngs)
            self.blocks = nnx.List([Block(rngs) for _ in range(layers)])
            self.norm = nnx.LayerNorm(width, rngs=rngs)

        def __call__(self, tokens):
            x = self.table(tokens) + self.places(jnp.arange(tokens.shape[1]))[None]
            for block in self.blocks:
                x = block(x)
            return self.table.attend(self.norm(x))

    return lambda key: nnx.state(Transformer(nnx.Rngs(key)), nnx.Param)


def equinox_mlp(layers=24, width=1024):
    """An MLP of Equinox: a function from a key to its arrays."""
    import equinox as eqx

    def init(key):
        model = eqx.nn.MLP(width, width, width, layers - 1, key=key)
        return eqx.filter(model, eqx.is_array)

    return init


def haiku_mlp(layers=24, width=1024):
    """An MLP of Haiku: its init, and an input."""
    import haiku as hk
    import jax.numpy as jnp

    def forward(x):
        return hk.nets.MLP([width] * layers)(x)

    return hk.transform(forward).init, jnp.ones((1, width))


def resnet50(classes=1000):
    """ResNet-50 (He et al. 2016) with strides in the 3×3 convolutions: a linen module, an image."""
    import flax.linen as nn
    import jax.numpy as jnp

    he = nn.initializers.variance_scaling(2.0, "fan_out", "truncated_normal")
    conv = functools.partial(nn.Conv, use_bias=False, kernel_init=he)
    norm = functools.partial(nn.BatchNorm, use_running_average=False)

    class Bottleneck(nn.Module):
        width: int
        stride: int

        @nn.compact
        def __call__(self, x):
            y = nn.relu(norm()(conv(self.width, (1, 1))(x)))
            y = nn.relu(norm()(conv(self.width, (3, 3), (self.stride, self.stride))(y)))
            y = norm(scale_init=nn.initializers.zeros)(conv(4 * self.width, (1, 1))(y))
            if x.shape != y.shape:
                strides = (self.stride, self.stride)
                x = norm(name="norm_shortcut")(
                    conv(4 * self.width, (1, 1), strides, name="conv_shortcut")(x)
                )
            return nn.relu(x + y)

    class ResNet50(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.relu(norm()(conv(64, (7, 7), (2, 2))(x)))
            x = nn.max_pool(x, (3, 3), (2, 2), "SAME")
            for stage, blocks in enumerate((3, 4, 6, 3)):
                for number in range(blocks):
                    stride = 2 if stage and not number else 1
                    x = Bottleneck(64 * 2**stage, stride)(x)
            return nn.Dense(classes)(x.mean((1, 2)))

    return ResNet50(), jnp.ones((1, 224, 224, 3))


def resnet50_rules():
    """He et al.'s scheme for the parameters of `resnet50`."""
    from cthulhu import initializers

    he = initializers.VarianceScaling(2.0, "fan_out", "truncated_normal")
    return [
        (r"params/.*Conv.*/kernel|params/.*conv_shortcut/kernel", he),
        (r"params/Dense_0/kernel", "lecun_normal"),
        (r"params/Bottleneck_\d+/BatchNorm_2/scale", "zeros"),
        (r".*/(scale|var)", "ones"),
        (r".*/(bias|mean)", "zeros"),
    ]


def checkpoint_paths(count):
    """Distinct paths as large models have them: experts in layers, three matrices each."""
    leaves = ("up/kernel", "gate/kernel", "down/kernel", "up/bias")
    experts = 64
    layers = -(-count // (experts * len(leaves)))
    paths = (
        ("decoder", f"layers_{layer}", "moe", f"experts_{expert}", *leaf.split("/"))
        for layer in range(layers)
        for expert in range(experts)
        for leaf in leaves
    )
    return [path for path, _ in zip(paths, range(count), strict=False)]
