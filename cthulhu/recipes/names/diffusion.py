"""What Stable Diffusion and diffusers call the parameters of a UNet, in PyTorch."""

from cthulhu.recipes._naming import naming, pairs

ATTENTION = r".*/(attn\d|attentions/\d+)"

naming(
    "unet",
    "diffusers",
    (r"class_embedding/weight", "embedding.label"),
    *pairs(
        {
            r"(conv_in|.*/(conv1|conv_shortcut|(down|up)samplers/\d+/conv))": "conv",
            r".*/conv2": "conv.last",
            r"conv_out": "conv.out",
            r"time_embedding/linear_1": "time.in",
            r"time_embedding/linear_2": "time.out",
            r".*/time_emb_proj": "time.projection",
            r".*/attentions/\d+/proj_in": "attention.enter",
            r".*/attentions/\d+/proj_out": "attention.leave",
            rf"{ATTENTION}/to_q": "attention.query",
            rf"{ATTENTION}/to_k": "attention.key",
            rf"{ATTENTION}/to_v": "attention.value",
            r".*/attn\d/to_out/0": "attention.out",
            # Without a transformer, it ends the branch, as proj_out did in the original.
            r".*/attentions/\d+/to_out/0": "attention.leave",
            r".*/ff/net/0/proj": "mlp.gate_in",
            r".*/ff/net/2": "mlp.out",
            r"(conv_norm_out|.*/(norm\d?|group_norm))": "norm.scale",
        }
    ),
    layout="out_in",
    kernel="weight",
)

MODEL = r"(model/diffusion_model/)?"
UNIT = rf"{MODEL}(input_blocks/\d+|middle_block|output_blocks/\d+)/\d"
TRANSFORMER = rf"{UNIT}/transformer_blocks/\d+"

naming(
    "unet",
    "compvis",
    (rf"{MODEL}label_emb/weight", "embedding.label"),
    *pairs(
        {
            rf"{MODEL}input_blocks/0/0": "conv",
            rf"{UNIT}/(in_layers/2|skip_connection|conv|op)": "conv",
            rf"{UNIT}/out_layers/3": "conv.last",
            rf"{MODEL}out/2": "conv.out",
            rf"{MODEL}time_embed/0": "time.in",
            rf"{MODEL}time_embed/2": "time.out",
            rf"{UNIT}/emb_layers/1": "time.projection",
            rf"{UNIT}/proj_in": "attention.enter",
            rf"{UNIT}/proj_out": "attention.leave",
            rf"{UNIT}/qkv": "attention.qkv",
            rf"{TRANSFORMER}/attn[12]/to_q": "attention.query",
            rf"{TRANSFORMER}/attn[12]/to_k": "attention.key",
            rf"{TRANSFORMER}/attn[12]/to_v": "attention.value",
            rf"{TRANSFORMER}/attn[12]/to_out/0": "attention.out",
            rf"{TRANSFORMER}/ff/net/0/proj": "mlp.gate_in",
            rf"{TRANSFORMER}/ff/net/2": "mlp.out",
            rf"({UNIT}/(in_layers/0|out_layers/0|norm)|{TRANSFORMER}/norm[123]|{MODEL}out/0)": (
                "norm.scale"
            ),
        }
    ),
    layout="out_in",
    kernel="weight",
)
