namespace LlmEmbed.Benchmarks;

/// <summary>Checkpoints of a given shape, for measurements in which the values of the weights do not matter.</summary>
internal static class SyntheticCheckpoint
{
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
            : name.Contains("norm", StringComparison.OrdinalIgnoreCase) ? row => Array.Fill(row, Half.One)
            : name.Contains("layer", StringComparison.Ordinal) && !fillsBlocks ? null
            : Fill);

        void Fill(Half[] row)
        {
            for (int i = 0; i < row.Length; i++) row[i] = (Half)((random.NextSingle() - 0.5f) * 0.07f);
        }
    }
}
