using System.Text.Json.Nodes;

namespace LlmEmbed.Checkpoints;

/// <summary>How a key of config.json follows from a GGUF file. A value of null leaves the key out.</summary>
internal sealed record GgufEntry(string ConfigKey, Func<GgufMetadata, JsonNode?> Value);

/// <summary>
/// How files of one of llama.cpp's architectures are read under Hugging Face's names. A new architecture is one row of <see cref="All"/>.
/// </summary>
/// <param name="Name">llama.cpp's name.</param>
/// <param name="Known">What llama.cpp knows by that name, as a config.json says it.</param>
/// <param name="Entries">What follows from the file's keys.</param>
/// <param name="Tensors">By llama.cpp's name of a tensor Hugging Face's, with N in place of the number of a block.</param>
internal sealed record GgufArchitecture(
    string Name, string Known, IReadOnlyList<GgufEntry> Entries, IReadOnlyDictionary<string, string> Tensors)
{
    public const string Embedding = "token_embd.weight";

    private const string Output = "output.weight";

    private static readonly GgufEntry[] Sizes =
    [
        new("hidden_size", file => file.Size("embedding_length")),
        new("num_hidden_layers", file => file.Size("block_count")),
        new("intermediate_size", file => file.Size("feed_forward_length")),
        new("vocab_size", file => file.Rows(Embedding)),
    ];

    private static readonly GgufEntry[] Decoder =
    [
        .. Sizes,
        new("num_attention_heads", file => file.Heads),
        new("num_key_value_heads", file => file.KeyValueHeads),
        new("head_dim", file => file.HeadSize),
        new("rms_norm_eps", file => file.Number("attention.layer_norm_rms_epsilon")),
        new("max_position_embeddings", file => file.Size("context_length")),
        new("rope_scaling", file => file.RopeScaling()),
    ];

    private static readonly GgufEntry[] LlamaFamily =
    [
        .. Decoder,
        new("rope_theta", file => file.NumberOrNull("rope.freq_base") ?? 10_000), // llama.cpp's value if the key is absent
        new("is_causal", file => file.FlagOrNull("attention.causal")),
        new("tie_word_embeddings", file => !file.Has(Output)),
    ];

    /// <summary>Mistral and relatives of LLaMA with biases are of the architecture llama too.</summary>
    private static readonly GgufEntry[] Llama =
    [
        .. LlamaFamily,
        new("sliding_window", file => file.SizeOrNull("attention.sliding_window")),
        new("attention_bias", file => file.Has("blk.0.attn_q.bias")),
        new("mlp_bias", file => file.Has("blk.0.ffn_gate.bias")),
    ];

    /// <summary>
    /// No key says the scale of the scores. llama.cpp takes the head size; for the model with 62 blocks (27B) the hidden size divided by the heads.
    /// </summary>
    private static readonly GgufEntry[] Gemma3 =
    [
        .. Decoder,
        new("query_pre_attn_scalar", file => file.Size("block_count") == 62 ? file.Size("embedding_length") / file.Heads : file.HeadSize),
        new("rope_theta", file => file.Number("rope.freq_base")),
        new("rope_local_base_freq", file => file.NumberOrNull("rope.freq_base_swa")),
        new("sliding_window", file => file.Size("attention.sliding_window")),
        new("sliding_window_pattern", file => file.SizeOrNull("attention.sliding_window_pattern")),
        new("pad_token_id", file => file.PadId()),
    ];

    private static readonly GgufEntry[] Phi3 = [.. LlamaFamily, new("sliding_window", file => file.SizeOrNone("attention.sliding_window"))];

    private static readonly GgufEntry[] Gpt2 =
    [
        new("n_embd", file => file.Size("embedding_length")),
        new("n_layer", file => file.Size("block_count")),
        new("n_inner", file => file.Size("feed_forward_length")),
        new("n_head", file => file.PlainHeads()),
        new("n_positions", file => file.Rows("position_embd.weight")),
        new("vocab_size", file => file.Rows(Embedding)),
        new("layer_norm_epsilon", file => file.Number("attention.layer_norm_epsilon")),
    ];

    private static readonly GgufEntry[] Encoder =
    [
        .. Sizes,
        new("num_attention_heads", file => file.PlainHeads()),
        new("pad_token_id", file => file.PadId() ?? 0),
    ];

    /// <summary>
    /// The table of positions begins with the first token's, also where the model is a RoBERTa, whose own table has rows before it.
    /// </summary>
    private static readonly GgufEntry[] Bert =
    [
        .. Encoder,
        new("layer_norm_eps", file => file.Number("attention.layer_norm_epsilon")),
        new("max_position_embeddings", file => file.Rows("position_embd.weight")),
        new("type_vocab_size", file => file.Rows("token_types.weight")),
    ];

    private static readonly GgufEntry[] NomicBert =
    [
        .. Encoder,
        new("layer_norm_eps", file => file.Number("attention.layer_norm_epsilon")),
        new("max_position_embeddings", file => file.Size("context_length")),
        new("type_vocab_size", file => file.Rows("token_types.weight")),
        new("rope_theta", file => file.Number("rope.freq_base")),
        new("rope_scaling", file => file.RopeScaling()),
    ];

    private static readonly GgufEntry[] ModernBert =
    [
        .. Encoder,
        new("norm_eps", file => file.Number("attention.layer_norm_epsilon")),
        new("max_position_embeddings", file => file.Size("context_length")),
        new("local_attention", file => file.Size("attention.sliding_window")),
        new("global_attn_every_n_layers", file => file.SizeOrNull("attention.sliding_window_pattern")),
        new("global_rope_theta", file => file.Number("rope.freq_base")),
        new("local_rope_theta", file => file.NumberOrNull("rope.freq_base_swa")),
        new("rope_scaling", file => file.RopeScaling()),
    ];

    private const string DecoderNames =
        """
        token_embd.weight         model.embed_tokens.weight
        output_norm.weight        model.norm.weight
        blk.N.attn_norm.weight    model.layers.N.input_layernorm.weight
        blk.N.attn_q.weight       model.layers.N.self_attn.q_proj.weight
        blk.N.attn_k.weight       model.layers.N.self_attn.k_proj.weight
        blk.N.attn_v.weight       model.layers.N.self_attn.v_proj.weight
        blk.N.attn_output.weight  model.layers.N.self_attn.o_proj.weight
        blk.N.ffn_gate.weight     model.layers.N.mlp.gate_proj.weight
        blk.N.ffn_up.weight       model.layers.N.mlp.up_proj.weight
        blk.N.ffn_down.weight     model.layers.N.mlp.down_proj.weight
        """;

    private const string LlamaNames =
        """
        output.weight             lm_head.weight
        blk.N.ffn_norm.weight     model.layers.N.post_attention_layernorm.weight
        """;

    private const string QueryBiases =
        """
        blk.N.attn_q.bias         model.layers.N.self_attn.q_proj.bias
        blk.N.attn_k.bias         model.layers.N.self_attn.k_proj.bias
        blk.N.attn_v.bias         model.layers.N.self_attn.v_proj.bias
        """;

    /// <summary>rope_freqs is LLaMA 3's rotary scaling, as one divisor for each frequency, where a config.json has four numbers.</summary>
    private const string OtherLlamaNames =
        """
        rope_freqs.weight         model.rope_freqs.weight
        blk.N.attn_output.bias    model.layers.N.self_attn.o_proj.bias
        blk.N.ffn_gate.bias       model.layers.N.mlp.gate_proj.bias
        blk.N.ffn_up.bias         model.layers.N.mlp.up_proj.bias
        blk.N.ffn_down.bias       model.layers.N.mlp.down_proj.bias
        """;

    private const string QueryNorms =
        """
        blk.N.attn_q_norm.weight  model.layers.N.self_attn.q_norm.weight
        blk.N.attn_k_norm.weight  model.layers.N.self_attn.k_norm.weight
        """;

    private const string Gemma3Names =
        """
        blk.N.post_attention_norm.weight  model.layers.N.post_attention_layernorm.weight
        blk.N.ffn_norm.weight             model.layers.N.pre_feedforward_layernorm.weight
        blk.N.post_ffw_norm.weight        model.layers.N.post_feedforward_layernorm.weight
        """;

    private const string DenseNames =
        """
        dense_2.weight            dense_2.weight
        dense_3.weight            dense_3.weight
        """;

    private const string BertNames =
        """
        token_embd.weight         embeddings.word_embeddings.weight
        position_embd.weight      embeddings.position_embeddings.weight
        token_types.weight        embeddings.token_type_embeddings.weight
        token_embd_norm           embeddings.LayerNorm
        blk.N.attn_q              encoder.layer.N.attention.self.query
        blk.N.attn_k              encoder.layer.N.attention.self.key
        blk.N.attn_v              encoder.layer.N.attention.self.value
        blk.N.attn_output         encoder.layer.N.attention.output.dense
        blk.N.attn_output_norm    encoder.layer.N.attention.output.LayerNorm
        blk.N.ffn_up              encoder.layer.N.intermediate.dense
        blk.N.ffn_down            encoder.layer.N.output.dense
        blk.N.layer_output_norm   encoder.layer.N.output.LayerNorm
        """;

    private const string ModernBertNames =
        """
        token_embd.weight         model.embeddings.tok_embeddings.weight
        token_embd_norm.weight    model.embeddings.norm.weight
        output_norm.weight        model.final_norm.weight
        blk.N.attn_norm.weight    model.layers.N.attn_norm.weight
        blk.N.attn_qkv.weight     model.layers.N.attn.Wqkv.weight
        blk.N.attn_output.weight  model.layers.N.attn.Wo.weight
        blk.N.ffn_norm.weight     model.layers.N.mlp_norm.weight
        blk.N.ffn_up.weight       model.layers.N.mlp.Wi.weight
        blk.N.ffn_down.weight     model.layers.N.mlp.Wo.weight
        """;

    private const string NomicBertNames =
        """
        token_embd.weight         embeddings.word_embeddings.weight
        token_types.weight        embeddings.token_type_embeddings.weight
        token_embd_norm           emb_ln
        blk.N.attn_qkv.weight     encoder.layers.N.attn.Wqkv.weight
        blk.N.attn_output.weight  encoder.layers.N.attn.out_proj.weight
        blk.N.attn_output_norm    encoder.layers.N.norm1
        blk.N.ffn_gate.weight     encoder.layers.N.mlp.fc12.weight
        blk.N.ffn_up.weight       encoder.layers.N.mlp.fc11.weight
        blk.N.ffn_down.weight     encoder.layers.N.mlp.fc2.weight
        blk.N.layer_output_norm   encoder.layers.N.norm2
        """;

    private const string Phi3Names =
        """
        token_embd.weight         model.embed_tokens.weight
        output_norm.weight        model.norm.weight
        output.weight             lm_head.weight
        blk.N.attn_norm.weight    model.layers.N.input_layernorm.weight
        blk.N.attn_qkv.weight     model.layers.N.self_attn.qkv_proj.weight
        blk.N.attn_output.weight  model.layers.N.self_attn.o_proj.weight
        blk.N.ffn_norm.weight     model.layers.N.post_attention_layernorm.weight
        blk.N.ffn_up.weight       model.layers.N.mlp.gate_up_proj.weight
        blk.N.ffn_down.weight     model.layers.N.mlp.down_proj.weight
        """;

    private const string Gpt2Names =
        """
        token_embd.weight         transformer.wte.weight
        position_embd.weight      transformer.wpe.weight
        output_norm               transformer.ln_f
        output.weight             lm_head.weight
        blk.N.attn_norm           transformer.h.N.ln_1
        blk.N.attn_qkv            transformer.h.N.attn.c_attn
        blk.N.attn_output         transformer.h.N.attn.c_proj
        blk.N.ffn_norm            transformer.h.N.ln_2
        blk.N.ffn_up              transformer.h.N.mlp.c_fc
        blk.N.ffn_down            transformer.h.N.mlp.c_proj
        """;

    /// <summary>The architectures in the order of their names.</summary>
    public static IReadOnlyList<GgufArchitecture> All { get; } =
    [
        new("bert", """{ "model_type": "bert", "hidden_act": "gelu" }""", Bert, Names(BertNames))
        {
            IsCausal = false,
            Ignored = ["context_length"],
        },
        new(
            "gemma-embedding",
            """{ "model_type": "gemma3_text", "hidden_activation": "gelu_pytorch_tanh", "use_bidirectional_attention": true }""",
            Gemma3,
            Names(DecoderNames, QueryNorms, Gemma3Names, DenseNames))
        {
            IsCausal = false,
            AddedToNorms = 1,
            Ignored = ["dense_2_feat_in", "dense_2_feat_out", "dense_3_feat_in", "dense_3_feat_out"], // the tensors say them
        },
        new(
            "gemma3",
            """{ "model_type": "gemma3_text", "hidden_activation": "gelu_pytorch_tanh" }""",
            Gemma3,
            Names(DecoderNames, QueryNorms, Gemma3Names))
        {
            AddedToNorms = 1,
            Ignored = ["final_logit_softcapping"], // behind the last hidden state
        },
        new("gpt2", """{ "model_type": "gpt2", "activation_function": "gelu_new" }""", Gpt2, Names(Gpt2Names)) { Ignored = ["context_length"] },
        new(
            "llama",
            """{ "model_type": "llama", "hidden_act": "silu" }""",
            Llama,
            Names(DecoderNames, LlamaNames, QueryBiases, OtherLlamaNames))
        {
            InterleavesHeads = true,
        },
        new("modern-bert", """{ "model_type": "modernbert", "hidden_activation": "gelu" }""", ModernBert, Names(ModernBertNames))
        {
            IsCausal = false,
            Ignored = ["attention.layer_norm_rms_epsilon"], // written beside the epsilon that counts
        },
        new("nomic-bert", """{ "model_type": "nomic_bert", "hidden_act": "silu" }""", NomicBert, Names(NomicBertNames)) { IsCausal = false },
        new("phi3", """{ "model_type": "phi3", "hidden_act": "silu" }""", Phi3, Names(Phi3Names)),
        new("qwen2", """{ "model_type": "qwen2", "hidden_act": "silu" }""", LlamaFamily, Names(DecoderNames, LlamaNames, QueryBiases)),
        new("qwen3", """{ "model_type": "qwen3", "hidden_act": "silu" }""", LlamaFamily, Names(DecoderNames, LlamaNames, QueryNorms)),
    ];

    /// <summary>Whether llama.cpp masks what follows a token, unless the file says otherwise.</summary>
    public bool IsCausal { get; init; } = true;

    /// <summary>
    /// Whether outputs of queries and keys are stored in interleaved order, in which neighbours turn together, and not the halves of a head.
    /// </summary>
    public bool InterleavesHeads { get; init; }

    /// <summary>What the files have added to the weights of all norms.</summary>
    public float AddedToNorms { get; init; }

    /// <summary>Keys of this architecture that change no hidden state.</summary>
    public IReadOnlyList<string> Ignored { get; init; } = [];

    /// <summary>
    /// Reads tables of names, one pair in a line. A name that ends neither in weight nor in bias stands for both.
    /// </summary>
    private static Dictionary<string, string> Names(params ReadOnlySpan<string> tables)
    {
        Dictionary<string, string> names = new(StringComparer.Ordinal);
        foreach (string table in tables)
        {
            string[] words = table.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            foreach (string[] pair in words.Chunk(2))
            {
                bool isWhole = pair[0].EndsWith(".weight", StringComparison.Ordinal) || pair[0].EndsWith(".bias", StringComparison.Ordinal);
                foreach (string kind in isWhole ? [""] : (string[])[".weight", ".bias"]) names.Add(pair[0] + kind, pair[1] + kind);
            }
        }
        return names;
    }
}
