using LlmEmbed.Checkpoints;
using LlmEmbed.Tokenization;

namespace LlmEmbed.Tests.Checkpoints;

/// <summary>Writes a folder with a BERT as llama.cpp's converter writes it to a GGUF file, in fp32. The pooler is left out.</summary>
internal static class GgufOfBert
{
    private static readonly (string Key, string ConfigKey)[] Sizes =
    [
        ("block_count", "num_hidden_layers"), ("context_length", "max_position_embeddings"), ("embedding_length", "hidden_size"),
        ("feed_forward_length", "intermediate_size"), ("attention.head_count", "num_attention_heads"),
    ];

    public static byte[] Convert(string folder)
    {
        using Checkpoint source = Checkpoint.Open(folder);
        GgufBuilder builder = new GgufBuilder().Text("general.architecture", "bert").Bool("bert.attention.causal", 0)
            .UInt32("tokenizer.ggml.token_type_count", (uint)source.Config.Size("type_vocab_size"));
        foreach ((string key, string configKey) in Sizes) builder.UInt32($"bert.{key}", (uint)source.Config.Size(configKey));
        builder.Float32("bert.attention.layer_norm_epsilon", (float)source.Config.Number("layer_norm_eps"));
        AddTokenizer(builder, TokenizerFiles.Read(folder));
        foreach (Weight weight in source.Weights.Values)
        {
            if (GgufName(weight.Name) is not string name) continue;
            float[] values = new float[weight.ElementCount];
            weight.CopyTo(values);
            builder.Float32Tensor(name, values, [.. weight.Shape.Reverse()]);
        }
        return builder.Build();
    }

    private static void AddTokenizer(GgufBuilder builder, TokenizerParts parts)
    {
        HashSet<int> special = [.. parts.AddedTokens.Select(token => token.Id)];
        string[] tokens = [.. Enumerable.Range(0, parts.Vocabulary.Size).Select(id => parts.Vocabulary.Token(id)!)];
        string Stored(string token, int id) =>
            special.Contains(id) ? token : token.StartsWith("##", StringComparison.Ordinal) ? token[2..] : '\u2581' + token;
        builder.Text("tokenizer.ggml.model", "bert")
            .Texts("tokenizer.ggml.tokens", [.. tokens.Select(Stored)])
            .Int32s("tokenizer.ggml.token_type", [.. tokens.Select((_, id) => special.Contains(id) ? 3 : 1)])
            .UInt32("tokenizer.ggml.bos_token_id", (uint)parts.Frame.Before[0])
            .UInt32("tokenizer.ggml.eos_token_id", (uint)parts.Frame.After[0])
            .UInt32("tokenizer.ggml.unknown_token_id", (uint)parts.Vocabulary.Ids["[UNK]"]);
    }

    /// <summary>The name that the table of the architecture has for a tensor; null if it has none.</summary>
    private static string? GgufName(string name)
    {
        string[] parts = name.Split('.');
        string? number = parts.FirstOrDefault(part => int.TryParse(part, out _));
        string pattern = string.Join('.', parts.Select(part => part == number ? "N" : part));
        string? stored = GgufArchitecture.All.Single(row => row.Name == "bert").Tensors.FirstOrDefault(pair => pair.Value == pattern).Key;
        return stored?.Replace(".N.", $".{number}.", StringComparison.Ordinal);
    }
}
