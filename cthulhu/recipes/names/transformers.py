"""What Hugging Face's transformers call the parameters of their PyTorch models."""

from cthulhu.recipes._naming import naming

TORCH = {"layout": "out_in", "kernel": "weight"}

# Conv1D lies (in, out), unlike Linear.
BLOCK = r"(transformer/)?h/(?P<layer>\d+)/"
GPT2 = (
    (r"(transformer/)?wte/weight", "embedding"),
    (r"(transformer/)?wpe/weight", "position"),
    (BLOCK + "attn/c_attn/weight", "attention.qkv"),
    (BLOCK + "attn/c_attn/bias", "attention.qkv.bias"),
    (BLOCK + "attn/c_proj/weight", "attention.out"),
    (BLOCK + "attn/c_proj/bias", "attention.out.bias"),
    (BLOCK + "mlp/c_fc/weight", "mlp.in"),
    (BLOCK + "mlp/c_fc/bias", "mlp.in.bias"),
    (BLOCK + "mlp/c_proj/weight", "mlp.out"),
    (BLOCK + "mlp/c_proj/bias", "mlp.out.bias"),
    (rf"({BLOCK}ln_[12]|(transformer/)?ln_f)/weight", "norm.scale"),
    (rf"({BLOCK}ln_[12]|(transformer/)?ln_f)/bias", "norm.bias"),
    (r"lm_head/weight", "head", "out_in"),
)
naming("gpt2", "transformers", *GPT2, layout="in_out", kernel="weight")

NEOX = r"(gpt_neox/)?layers/(?P<layer>\d+)/"
naming(
    "gpt2",
    "transformers_neox",
    (r"(gpt_neox/)?embed_in/weight", "embedding"),
    (NEOX + "attention/query_key_value/weight", "attention.qkv"),
    (NEOX + "attention/query_key_value/bias", "attention.qkv.bias"),
    (NEOX + "attention/dense/weight", "attention.out"),
    (NEOX + "attention/dense/bias", "attention.out.bias"),
    (NEOX + "mlp/dense_h_to_4h/weight", "mlp.in"),
    (NEOX + "mlp/dense_h_to_4h/bias", "mlp.in.bias"),
    (NEOX + "mlp/dense_4h_to_h/weight", "mlp.out"),
    (NEOX + "mlp/dense_4h_to_h/bias", "mlp.out.bias"),
    (rf"({NEOX}[a-z_]+_layernorm|(gpt_neox/)?final_layer_norm)/weight", "norm.scale"),
    (rf"({NEOX}[a-z_]+_layernorm|(gpt_neox/)?final_layer_norm)/bias", "norm.bias"),
    (r"embed_out/weight|lm_head/weight", "head"),
    **TORCH,
)

LAYER = r"(model/)?layers/(?P<layer>\d+)/"
# Norms of layers, of queries and keys, and of what multi-head latent attention compresses.
NORM = rf"({LAYER}([a-z_]+/)?|(model/)?)[a-z_]*norm/weight"
DECODER = (
    (r"(model/)?embed_tokens/weight", "embedding"),
    (LAYER + "self_attn/q_proj/weight", "attention.query"),
    (LAYER + "self_attn/q_proj/bias", "attention.query.bias"),
    (LAYER + "self_attn/k_proj/weight", "attention.key"),
    (LAYER + "self_attn/k_proj/bias", "attention.key.bias"),
    (LAYER + "self_attn/v_proj/weight", "attention.value"),
    (LAYER + "self_attn/v_proj/bias", "attention.value.bias"),
    (LAYER + "self_attn/o_proj/weight", "attention.out"),
    (LAYER + "self_attn/o_proj/bias", "attention.out.bias"),
    (r"lm_head/weight", "head"),
)
MLP = (
    (LAYER + "mlp/(shared_experts?/)?gate_proj/weight", "mlp.gate"),
    (LAYER + "mlp/(shared_experts?/)?gate_proj/bias", "mlp.gate.bias"),
    (LAYER + "mlp/(shared_experts?/)?up_proj/weight", "mlp.in"),
    (LAYER + "mlp/(shared_experts?/)?up_proj/bias", "mlp.in.bias"),
    (LAYER + "mlp/(shared_experts?/)?down_proj/weight", "mlp.out"),
    (LAYER + "mlp/(shared_experts?/)?down_proj/bias", "mlp.out.bias"),
)
# All experts in one array; and, as in checkpoints, each by itself.
EXPERTS = (
    (LAYER + "(mlp|block_sparse_moe)/gate/weight", "router"),
    (LAYER + "mlp/experts/gate_up_proj", "experts.gate_in", "torch_linear"),
    (LAYER + "mlp/experts/down_proj", "experts.out", "torch_linear"),
    (LAYER + r"(mlp|block_sparse_moe)/experts/\d+/(gate_proj|w1)/weight", "experts.gate"),
    (LAYER + r"(mlp|block_sparse_moe)/experts/\d+/(up_proj|w3)/weight", "experts.in"),
    (LAYER + r"(mlp|block_sparse_moe)/experts/\d+/(down_proj|w2)/weight", "experts.out"),
)
naming("llama llama3 olmo", "transformers", *DECODER, *MLP, (NORM, "norm.scale"), **TORCH)
naming("gemma", "transformers", *DECODER, *MLP, (NORM, "norm.scale"), **TORCH)
naming("mixtral", "transformers", *DECODER, *EXPERTS, (NORM, "norm.scale"), **TORCH)
naming(
    "deepseek3",
    "transformers",
    *DECODER,
    (LAYER + "self_attn/q_a_proj/weight", "attention.query_down"),
    (LAYER + "self_attn/q_b_proj/weight", "attention.query_up"),
    (LAYER + "self_attn/kv_a_proj_with_mqa/weight", "attention.kv_down"),
    (LAYER + "self_attn/kv_b_proj/weight", "attention.kv_up"),
    *MLP,
    *EXPERTS,
    (LAYER + "mlp/gate/e_score_correction_bias", "router.correction"),
    (NORM, "norm.scale"),
    **TORCH,
)
naming(
    "qwen3next",
    "transformers",
    *DECODER,
    (LAYER + "linear_attn/in_proj_qkvz/weight", "ssm.in"),
    (LAYER + "linear_attn/in_proj_ba/weight", "ssm.gates"),
    (LAYER + "linear_attn/conv1d/weight", "ssm.conv", "torch_conv"),
    (LAYER + "linear_attn/dt_bias", "ssm.dt.bias"),
    (LAYER + "linear_attn/A_log", "ssm.A_log"),
    (LAYER + "linear_attn/norm/weight", "norm.gated.scale"),
    (LAYER + "linear_attn/out_proj/weight", "ssm.out"),
    *MLP,
    *EXPERTS,
    (LAYER + "mlp/shared_expert_gate/weight", "experts.shared_gate"),
    (rf"({LAYER}(self_attn/)?|(model/)?)[a-z_]*norm/weight", "norm.scale"),
    **TORCH,
)

TEMPORAL = LAYER + "temporal_block/"
naming(
    "recurrentgemma",
    "transformers",
    (r"(model/)?embed_tokens/weight", "embedding"),
    (TEMPORAL + "linear_x/weight", "recurrent.in"),
    (TEMPORAL + "linear_x/bias", "recurrent.in.bias"),
    (TEMPORAL + "linear_y/weight", "recurrent.gate"),
    (TEMPORAL + "linear_y/bias", "recurrent.gate.bias"),
    (TEMPORAL + "conv_1d/weight", "recurrent.conv", "torch_conv"),
    (TEMPORAL + "conv_1d/bias", "recurrent.conv.bias"),
    (TEMPORAL + "rg_lru/(input|recurrent)_gate_weight", "recurrent.gates", "moe"),
    (TEMPORAL + "rg_lru/(input|recurrent)_gate_bias", "recurrent.gates.bias"),
    (TEMPORAL + "rg_lru/recurrent_param", "recurrent.a"),
    (TEMPORAL + "linear_out/weight", "recurrent.out"),
    (TEMPORAL + "linear_out/bias", "recurrent.out.bias"),
    (TEMPORAL + "q_proj/weight", "attention.query"),
    (TEMPORAL + "k_proj/weight", "attention.key"),
    (TEMPORAL + "v_proj/weight", "attention.value"),
    (TEMPORAL + "o_proj/weight", "attention.out"),
    (TEMPORAL + "o_proj/bias", "attention.out.bias"),
    (LAYER + "mlp_block/gate_proj/weight", "mlp.gate"),
    (LAYER + "mlp_block/gate_proj/bias", "mlp.gate.bias"),
    (LAYER + "mlp_block/up_proj/weight", "mlp.in"),
    (LAYER + "mlp_block/up_proj/bias", "mlp.in.bias"),
    (LAYER + "mlp_block/down_proj/weight", "mlp.out"),
    (LAYER + "mlp_block/down_proj/bias", "mlp.out.bias"),
    (rf"({LAYER}|(model/)?)[a-z_]*norm/weight", "norm.scale"),
    **TORCH,
)

BERT = r"(bert/)?encoder/layer/(?P<layer>\d+)/"
BERT_NORM = rf"({BERT}(attention/)?output|(bert/)?embeddings|cls/predictions/transform)/LayerNorm"
naming(
    "bert",
    "transformers",
    (r"(bert/)?embeddings/word_embeddings/weight", "embedding"),
    (r"(bert/)?embeddings/position_embeddings/weight", "position"),
    (r"(bert/)?embeddings/token_type_embeddings/weight", "embedding.type"),
    (BERT + "attention/self/query/weight", "attention.query"),
    (BERT + "attention/self/query/bias", "attention.query.bias"),
    (BERT + "attention/self/key/weight", "attention.key"),
    (BERT + "attention/self/key/bias", "attention.key.bias"),
    (BERT + "attention/self/value/weight", "attention.value"),
    (BERT + "attention/self/value/bias", "attention.value.bias"),
    (BERT + "attention/output/dense/weight", "attention.out"),
    (BERT + "attention/output/dense/bias", "attention.out.bias"),
    (BERT + "intermediate/dense/weight", "mlp.in"),
    (BERT + "intermediate/dense/bias", "mlp.in.bias"),
    (BERT + "output/dense/weight", "mlp.out"),
    (BERT + "output/dense/bias", "mlp.out.bias"),
    (BERT_NORM + "/weight", "norm.scale"),
    (BERT_NORM + "/bias", "norm.bias"),
    (r"(bert/)?pooler/dense/weight", "pooler"),
    (r"(bert/)?pooler/dense/bias", "pooler.bias"),
    (r"cls/predictions/transform/dense/weight", "head.transform"),
    (r"cls/predictions/transform/dense/bias", "head.transform.bias"),
    (r"cls/predictions/(decoder/)?bias", "head.bias"),
    (r"(cls/seq_relationship|classifier|qa_outputs)/weight", "classifier"),
    (r"(cls/seq_relationship|classifier|qa_outputs)/bias", "classifier.bias"),
    **TORCH,
)
