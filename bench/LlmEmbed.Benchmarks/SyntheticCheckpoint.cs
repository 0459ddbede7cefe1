namespace LlmEmbed.Benchmarks;

/// <summary>Checkpoints of a given shape, for measurements in which the values of the weights do not matter.</summary>
internal static class SyntheticCheckpoint
{
    /// <summary>The shapes of published encoders and of a small decoder, each with a few of its blocks.</summary>
    private static readonly Dictionary<string, Func<(string Config, List<(string Name, long[] Shape)> Tensors)>> Shapes = new()
    {
        ["ModernBERT-base"] = () => (
            """
            {"model_type": "modernbert", "vocab_size": 50368, "hidden_size": 768, "intermediate_size": 1152, "num_hidden_layers": 6,
             "num_attention_heads": 12, "pad_token_id": 50283}
            """,
            [
                ("model.embeddings.tok_embeddings.weight", [50368, 768]),
                .. Vectors(768, "model.embeddings.norm.weight", "model.final_norm.weight"),
                .. Blocks(6, block => Vectors(768, block == 0 ? [] : [$"model.layers.{block}.attn_norm.weight"])),
                .. Blocks(6, block => Matrices(
                    $"model.layers.{block}.", ("attn.Wqkv", 3 * 768, 768), ("attn.Wo", 768, 768), ("mlp.Wi", 2 * 1152, 768), ("mlp.Wo", 768, 1152))),
                .. Blocks(6, block => Vectors(768, $"model.layers.{block}.mlp_norm.weight")),
            ]),
        ["gte-base"] = () => (
            """
            {"model_type": "new", "vocab_size": 30528, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 4,
             "num_attention_heads": 12, "max_position_embeddings": 8192, "type_vocab_size": 0, "hidden_act": "gelu", "layer_norm_type": "layer_norm",
             "layer_norm_eps": 1e-12, "position_embedding_type": "rope", "rope_theta": 500000}
            """,
            [
                ("embeddings.word_embeddings.weight", [30528, 768]),
                .. Vectors(768, "embeddings.LayerNorm.weight", "embeddings.LayerNorm.bias"),
                .. Blocks(4, block => Matrices(
                    $"encoder.layer.{block}.",
                    ("attention.qkv_proj", 3 * 768, 768),
                    ("attention.o_proj", 768, 768),
                    ("mlp.up_gate_proj", 2 * 3072, 768),
                    ("mlp.down_proj", 768, 3072))),
                .. Blocks(4, block => Biases(
                    $"encoder.layer.{block}.", ("attention.qkv_proj", 3 * 768), ("attention.o_proj", 768), ("mlp.down_proj", 768))),
                .. Blocks(4, block => Norms($"encoder.layer.{block}.", 768, "attn_ln", "mlp_ln")),
            ]),
        ["all-mpnet-base-v2"] = () => (
            """
            {"model_type": "mpnet", "vocab_size": 30527, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 4,
             "num_attention_heads": 12, "max_position_embeddings": 514, "hidden_act": "gelu", "layer_norm_eps": 1e-5,
             "relative_attention_num_buckets": 32, "pad_token_id": 1}
            """,
            [
                ("embeddings.word_embeddings.weight", [30527, 768]),
                ("embeddings.position_embeddings.weight", [514, 768]),
                ("encoder.relative_attention_bias.weight", [32, 12]),
                .. Norms("embeddings.", 768, "LayerNorm"),
                .. Blocks(4, block => Matrices(
                    $"encoder.layer.{block}.",
                    [.. new[] { "q", "k", "v", "o" }.Select(part => ($"attention.attn.{part}", 768L, 768L)),
                     ("intermediate.dense", 3072, 768), ("output.dense", 768, 3072)])),
                .. Blocks(4, block => Biases(
                    $"encoder.layer.{block}.",
                    [.. new[] { "q", "k", "v", "o" }.Select(part => ($"attention.attn.{part}", 768L)),
                     ("intermediate.dense", 3072), ("output.dense", 768)])),
                .. Blocks(4, block => Norms($"encoder.layer.{block}.", 768, "attention.LayerNorm", "output.LayerNorm")),
            ]),
        ["EmbeddingGemma-300m"] = () => (
            """
            {"model_type": "gemma3_text", "vocab_size": 49152, "hidden_size": 768, "intermediate_size": 1152, "num_hidden_layers": 6,
             "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 256, "max_position_embeddings": 2048, "query_pre_attn_scalar": 256,
             "sliding_window": 512, "hidden_activation": "gelu_pytorch_tanh", "use_bidirectional_attention": true}
            """,
            Decoder(
                hidden: 768, intermediate: 1152, queries: 768, keys: 256, head: 256, blocks: 6, prefix: "",
                ["input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"])),
        ["Qwen3-0.6B"] = () => (
            """
            {"model_type": "qwen3", "vocab_size": 49152, "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 4,
             "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 4096, "rms_norm_eps": 1e-6,
             "rope_theta": 1000000, "hidden_act": "silu", "tie_word_embeddings": true}
            """,
            Decoder(
                hidden: 1024, intermediate: 3072, queries: 2048, keys: 1024, head: 128, blocks: 4, prefix: "model.",
                ["input_layernorm", "post_attention_layernorm"])),
    };

    public static IEnumerable<string> ShapeNames => Shapes.Keys;

    /// <summary>Writes a checkpoint of a published model's shape, with random weights and the starter's tokenizer.</summary>
    public static void Write(string shape, string folder)
    {
        (string config, List<(string Name, long[] Shape)> tensors) = Shapes[shape]();
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), config);
        File.Copy(Path.Combine(Bench.Root(), "models", Bench.Starters[1], "tokenizer.json"), Path.Combine(folder, "tokenizer.json"), overwrite: true);
        Write(folder, tensors, fillsBlocks: true);
    }

    private static IEnumerable<(string, long[])> Blocks(int count, Func<int, IEnumerable<(string, long[])>> tensorsOf) =>
        Enumerable.Range(0, count).SelectMany(tensorsOf);

    private static IEnumerable<(string, long[])> Vectors(long size, params string[] names) => names.Select(name => (name, new[] { size }));

    private static IEnumerable<(string, long[])> Norms(string prefix, long size, params string[] names) =>
        names.SelectMany(name => Vectors(size, $"{prefix}{name}.weight", $"{prefix}{name}.bias"));

    private static IEnumerable<(string, long[])> Matrices(string prefix, params (string Name, long Outputs, long Inputs)[] matrices) =>
        matrices.Select(matrix => ($"{prefix}{matrix.Name}.weight", new[] { matrix.Outputs, matrix.Inputs }));

    private static IEnumerable<(string, long[])> Biases(string prefix, params (string Name, long Size)[] biases) =>
        biases.Select(bias => ($"{prefix}{bias.Name}.bias", new[] { bias.Size }));

    private static List<(string, long[])> Decoder(
        long hidden, long intermediate, long queries, long keys, long head, int blocks, string prefix, string[] norms) =>
        [
            ($"{prefix}embed_tokens.weight", [49152, hidden]),
            ($"{prefix}norm.weight", [hidden]),
            .. Blocks(blocks, block => Matrices(
                $"{prefix}layers.{block}.",
                ("self_attn.q_proj", queries, hidden),
                ("self_attn.k_proj", keys, hidden),
                ("self_attn.v_proj", keys, hidden),
                ("self_attn.o_proj", hidden, queries),
                ("mlp.gate_proj", intermediate, hidden),
                ("mlp.up_proj", intermediate, hidden),
                ("mlp.down_proj", hidden, intermediate))),
            .. Blocks(blocks, block => Vectors(hidden, [.. norms.Select(norm => $"{prefix}layers.{block}.{norm}.weight")])),
            .. Blocks(blocks, block => Vectors(
                head, $"{prefix}layers.{block}.self_attn.q_norm.weight", $"{prefix}layers.{block}.self_attn.k_norm.weight")),
        ];

    /// <summary>Writes a decoder with the architecture of LLaMA, all but its tokenizer.</summary>
    /// <param name="folder">The folder, which is made.</param>
    /// <param name="vocabulary">The number of token ids.</param>
    /// <param name="hidden">Hidden size.</param>
    /// <param name="intermediate">Width of the middle of each block's multi-layer perceptron.</param>
    /// <param name="heads">Attention heads.</param>
    /// <param name="keyHeads">Attention heads with keys and values of their own.</param>
    /// <param name="blocks">Number of blocks.</param>
    /// <param name="fillsBlocks">Whether the matrices of the blocks are random; otherwise they are zero.</param>
    public static void WriteLlama(string folder, int vocabulary, int hidden, int intermediate, int heads, int keyHeads, int blocks, bool fillsBlocks)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), $$"""
            {"model_type": "llama", "vocab_size": {{vocabulary}}, "hidden_size": {{hidden}}, "intermediate_size": {{intermediate}},
             "num_hidden_layers": {{blocks}}, "num_attention_heads": {{heads}}, "num_key_value_heads": {{keyHeads}}, "max_position_embeddings": 4096,
             "rms_norm_eps": 1e-5, "hidden_act": "silu"}
            """);
        int keys = hidden / heads * keyHeads;
        List<(string Name, long[] Shape)> tensors = [("model.embed_tokens.weight", [vocabulary, hidden]), ("model.norm.weight", [hidden])];
        foreach (string block in Enumerable.Range(0, blocks).Select(block => $"model.layers.{block}"))
        {
            tensors.AddRange(
            [
                ($"{block}.input_layernorm.weight", [hidden]),
                ($"{block}.post_attention_layernorm.weight", [hidden]),
                ($"{block}.self_attn.q_proj.weight", [hidden, hidden]),
                ($"{block}.self_attn.k_proj.weight", [keys, hidden]),
                ($"{block}.self_attn.v_proj.weight", [keys, hidden]),
                ($"{block}.self_attn.o_proj.weight", [hidden, hidden]),
                ($"{block}.mlp.gate_proj.weight", [intermediate, hidden]),
                ($"{block}.mlp.up_proj.weight", [intermediate, hidden]),
                ($"{block}.mlp.down_proj.weight", [hidden, intermediate]),
            ]);
        }
        Write(folder, tensors, fillsBlocks);
    }

    /// <summary>
    /// Writes an encoder with the architecture of BERT, its pooler included, all but its tokenizer. The matrices of its blocks are zero.
    /// </summary>
    /// <param name="folder">The folder, which is made.</param>
    /// <param name="vocabulary">The number of token ids.</param>
    /// <param name="hidden">Hidden size.</param>
    public static void WriteBert(string folder, int vocabulary, int hidden)
    {
        const int Intermediate = 64, Positions = 512;
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), $$"""
            {"model_type": "bert", "vocab_size": {{vocabulary}}, "hidden_size": {{hidden}}, "intermediate_size": {{Intermediate}},
             "num_hidden_layers": 1, "num_attention_heads": 16, "max_position_embeddings": {{Positions}}, "type_vocab_size": 2,
             "layer_norm_eps": 1e-12, "hidden_act": "gelu", "pad_token_id": 0}
            """);
        const string Block = "encoder.layer.0";
        List<(string Name, long[] Shape)> tensors =
        [
            ("embeddings.word_embeddings.weight", [vocabulary, hidden]),
            ("embeddings.position_embeddings.weight", [Positions, hidden]),
            ("embeddings.token_type_embeddings.weight", [2, hidden]),
        ];
        AddNorm("embeddings.LayerNorm");
        foreach (string part in new[] { "query", "key", "value" }) AddLinear($"{Block}.attention.self.{part}", hidden, hidden);
        AddLinear($"{Block}.attention.output.dense", hidden, hidden);
        AddNorm($"{Block}.attention.output.LayerNorm");
        AddLinear($"{Block}.intermediate.dense", Intermediate, hidden);
        AddLinear($"{Block}.output.dense", hidden, Intermediate);
        AddNorm($"{Block}.output.LayerNorm");
        AddLinear("pooler.dense", hidden, hidden);
        Write(folder, tensors, fillsBlocks: false);

        void AddNorm(string name) => tensors.AddRange([($"{name}.weight", [hidden]), ($"{name}.bias", [hidden])]);

        void AddLinear(string name, long outputs, long inputs) =>
            tensors.AddRange([($"{name}.weight", [outputs, inputs]), ($"{name}.bias", [outputs])]);
    }

    /// <summary>
    /// Norms are ones, biases zeros. Embeddings, the pooler and, if wanted, the blocks are uniform with the variance of the usual initialization.
    /// </summary>
    private static void Write(string folder, IReadOnlyList<(string Name, long[] Shape)> tensors, bool fillsBlocks)
    {
        Random random = new(1);
        Safetensors.Write(Path.Combine(folder, "model.safetensors"), tensors, name =>
            name.EndsWith("bias", StringComparison.Ordinal) ? null
            : name.Contains("norm", StringComparison.OrdinalIgnoreCase) || name.Contains("_ln.", StringComparison.Ordinal)
                ? row => Array.Fill(row, Half.One)
            : name.Contains("layer", StringComparison.Ordinal) && !fillsBlocks ? null
            : Fill);

        void Fill(Half[] row)
        {
            for (int i = 0; i < row.Length; i++) row[i] = (Half)((random.NextSingle() - 0.5f) * 0.07f);
        }
    }
}
