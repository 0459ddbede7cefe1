using System.Numerics.Tensors;
using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>What Gemma 3 reads from its configuration. Defaults are those of transformers, whose files leave out what equals them.</summary>
internal sealed record Gemma3Config
{
    private const string FullAttention = "full_attention", SlidingAttention = "sliding_attention";

    public required int VocabularySize { get; init; }

    public required int HiddenSize { get; init; }

    public required int IntermediateSize { get; init; }

    public required int Heads { get; init; }

    public required int KeyValueHeads { get; init; }

    public required int HeadSize { get; init; }

    public required int MaxPositions { get; init; }

    public required int PadId { get; init; }

    public required float Epsilon { get; init; }

    public required bool AttentionBias { get; init; }

    /// <summary>What scores are multiplied by.</summary>
    public required float Scale { get; init; }

    /// <summary>Whether a token sees only itself and the tokens before it. EmbeddingGemma's see in both directions.</summary>
    public required bool IsCausal { get; init; }

    /// <summary>For each block whether a token sees all tokens, and not only those of the window.</summary>
    public required IReadOnlyList<bool> SeesAll { get; init; }

    /// <summary>In a block that does not see all, a token sees tokens at a distance less than this.</summary>
    public required int Window { get; init; }

    public required RotarySettings RotaryOfAll { get; init; }

    public required RotarySettings RotaryOfWindow { get; init; }

    public static Gemma3Config Read(ModelConfig config)
    {
        if (config.ModelType == "gemma3" && config.Section("text_config") is { } text)
        {
            _ = config.Has("vision_config"); // pictures come as tokens, of which a text has none
            text.Require("model_type", "gemma3_text");
            config = text;
        }
        config.Require("hidden_activation", "gelu_pytorch_tanh");
        _ = config.Has("_sliding_window_pattern"); // transformers writes it and never reads it
        int heads = config.Size("num_attention_heads", 8), keyValueHeads = config.Size("num_key_value_heads", 4);
        if (heads % keyValueHeads != 0)
            throw config.Wrong("num_attention_heads", $"is {heads}, expected a multiple of 'num_key_value_heads', which is {keyValueHeads}.");
        int headSize = config.Size("head_dim", 256), window = config.Size("sliding_window", 4096);
        if (headSize % 2 != 0) throw config.Wrong("head_dim", $"is {headSize}, expected an even number: rotary positions turn channels in pairs.");
        bool isCausal = !config.Flag("use_bidirectional_attention", false);
        RotarySettings Rotary(string layerType, string baseKey, double defaultBase, string? scalingKey)
        {
            (double ropeBase, RopeScaling? scaling) = RopeScaling.Read(config, layerType, baseKey, defaultBase, scalingKey);
            return new RotarySettings(layerType, headSize, ropeBase, Divisors: null, scaling);
        }
        return new Gemma3Config
        {
            VocabularySize = config.Size("vocab_size", 262208),
            HiddenSize = config.Size("hidden_size"),
            IntermediateSize = config.Size("intermediate_size"),
            Heads = heads,
            KeyValueHeads = keyValueHeads,
            HeadSize = headSize,
            MaxPositions = config.Size("max_position_embeddings", 131072),
            PadId = config.IntOrNull("pad_token_id") is int pad and >= 0 ? pad : 0,
            Epsilon = (float)config.Number("rms_norm_eps", 1e-6),
            AttentionBias = config.Flag("attention_bias", false),
            Scale = (float)(1 / Math.Sqrt(config.Number("query_pre_attn_scalar", 256))),
            IsCausal = isCausal,
            SeesAll = ReadLayerTypes(config),
            // The file holds the whole width. In both directions a token sees half of it on each side, and itself.
            Window = isCausal ? window : window / 2 + 1,
            RotaryOfAll = Rotary(FullAttention, "rope_theta", 1000000, "rope_scaling"),
            RotaryOfWindow = Rotary(SlidingAttention, "rope_local_base_freq", 10000, scalingKey: null),
        };
    }

    private static bool[] ReadLayerTypes(ModelConfig config)
    {
        int blocks = config.Size("num_hidden_layers"), pattern = config.Size("sliding_window_pattern", 6);
        if (config.Texts("layer_types") is not { } types) return [.. Enumerable.Range(1, blocks).Select(block => block % pattern == 0)];
        if (types.Count == blocks && types.All(type => type is FullAttention or SlidingAttention))
            return [.. types.Select(type => type == FullAttention)];
        throw config.Wrong("layer_types", $"must name {FullAttention} or {SlidingAttention} for each of {blocks} blocks.");
    }
}

/// <summary>
/// The text model of Gemma 3, also with attention in both directions (EmbeddingGemma): norms before and after attention and MLP, norms on queries and
/// keys, grouped-query attention, a gated MLP, and two kinds of blocks, with and without a window, that turn by frequencies of their own. Models that
/// read pictures too (model_type <c>gemma3</c>) nest its configuration in <c>text_config</c>.
/// Hugging Face: modeling_gemma3.py.
/// </summary>
internal sealed class Gemma3 : Backbone
{
    private const string Words = "embed_tokens.weight";

    private readonly Gemma3Config _config;
    private readonly Weight _words;

    public Gemma3(Checkpoint checkpoint)
        : base(checkpoint, Words)
    {
        _config = Gemma3Config.Read(checkpoint.Config);
        _words = checkpoint.Require(Prefix + Words, _config.VocabularySize, _config.HiddenSize);
        // The tables of rotary positions are allocated by the head size, so that has to be the checkpoint's before.
        checkpoint.Require($"{Prefix}layers.0.self_attn.q_proj.weight", (long)_config.Heads * _config.HeadSize, _config.HiddenSize);
    }

    public override int BlockCount => _config.SeesAll.Count;

    public override int HiddenSize => _config.HiddenSize;

    public override int VocabularySize => _config.VocabularySize;

    public override int MaxTokens => _config.MaxPositions;

    public override bool IsCausal => _config.IsCausal;

    public override bool HasHugeChannels => true;

    public override int PadId => _config.PadId;

    public override void Embed(ReadOnlySpan<int> ids, Span<float> destination)
    {
        for (int t = 0; t < ids.Length; t++)
        {
            Span<float> token = destination.Slice(t * HiddenSize, HiddenSize);
            _words.CopyRow(ids[t], token);
            TensorPrimitives.Multiply(token, MathF.Sqrt(HiddenSize), token);
        }
    }

    public override void Forward(Layers layers, AttentionInputs inputs, BlockRange blocks, Action<int, string> keep)
    {
        string hidden = inputs.Embeddings; // [B,T,H]
        if (blocks.First == 0) keep(0, hidden);
        if (blocks.End == blocks.First) return;

        Rotary ofAll = Rotary.Add(layers, _config.RotaryOfAll, inputs.Positions, _config.HeadSize);
        Rotary ofWindow = Rotary.Add(layers, _config.RotaryOfWindow, inputs.Positions, _config.HeadSize);
        for (int block = blocks.First; block < blocks.End; block++)
        {
            hidden = Block(layers, hidden, block, inputs, _config.SeesAll[block] ? ofAll : ofWindow);
            // The last hidden state is the one after the final norm.
            keep(block + 1, block + 1 == BlockCount ? layers.Norm(hidden, Norm($"{Prefix}norm", HiddenSize)) : hidden);
        }
    }

    private string Block(Layers layers, string hidden, int block, AttentionInputs inputs, Rotary rotary)
    {
        string name = $"{Prefix}layers.{block}";
        string Normed(string value, string norm) => layers.Norm(value, Norm($"{name}.{norm}", HiddenSize));
        string attention = Attention(layers, Normed(hidden, "input_layernorm"), block, inputs, rotary);
        hidden = layers.Add(Normed(attention, "post_attention_layernorm"), hidden);
        string mlp = Mlp(layers, Normed(hidden, "pre_feedforward_layernorm"), $"{name}.mlp");
        return layers.Add(Normed(mlp, "post_feedforward_layernorm"), hidden);
    }

    private string Attention(Layers layers, string input, int block, AttentionInputs inputs, Rotary rotary)
    {
        Gemma3Config c = _config;
        string name = $"{Prefix}layers.{block}.self_attn";
        string query = layers.Linear(input, new($"{name}.q_proj", HiddenSize, c.Heads * c.HeadSize, c.AttentionBias)); // [B,T,heads·d]
        string key = layers.Linear(input, new($"{name}.k_proj", HiddenSize, c.KeyValueHeads * c.HeadSize, c.AttentionBias)); // [B,T,kv·d]
        string value = layers.Linear(input, new($"{name}.v_proj", HiddenSize, c.KeyValueHeads * c.HeadSize, c.AttentionBias)); // [B,T,kv·d]
        query = layers.HeadNorm(query, c.Heads, Norm($"{name}.q_norm", c.HeadSize));
        key = layers.HeadNorm(key, c.KeyValueHeads, Norm($"{name}.k_norm", c.HeadSize));
        inputs.KeysAndValues?.Invoke(block, key, value);
        AttentionShape shape = new(c.Heads, c.KeyValueHeads, c.HeadSize, c.Scale)
        {
            IsCausal = c.IsCausal,
            IsRotary = true,
            Window = c.SeesAll[block] ? 0 : c.Window,
        };
        string attention = layers.Attend(query, key, value, shape, inputs.Lengths, rotary, inputs.Prefix?.Of(block));
        return layers.Linear(attention, new($"{name}.o_proj", c.Heads * c.HeadSize, HiddenSize, c.AttentionBias));
    }

    private string Mlp(Layers layers, string input, string name)
    {
        string gate = layers.Linear(input, new($"{name}.gate_proj", HiddenSize, _config.IntermediateSize, HasBias: false)); // [B,T,I]
        string up = layers.Linear(input, new($"{name}.up_proj", HiddenSize, _config.IntermediateSize, HasBias: false)); // [B,T,I]
        string gated = layers.Multiply(layers.Activate(gate, Activation.TanhGelu), up);
        return layers.Linear(gated, new($"{name}.down_proj", _config.IntermediateSize, HiddenSize, HasBias: false));
    }

    public override long ParameterCount(int depth)
    {
        Gemma3Config c = _config;
        long attention = 2L * c.HiddenSize * c.HeadSize * (c.Heads + c.KeyValueHeads) + 2L * c.HeadSize;
        if (c.AttentionBias) attention += (long)c.HeadSize * (c.Heads + 2 * c.KeyValueHeads) + c.HiddenSize;
        long mlp = 3L * c.HiddenSize * c.IntermediateSize;
        return depth * (attention + mlp + 4L * c.HiddenSize) + (depth == BlockCount ? c.HiddenSize : 0);
    }

    /// <summary>The files hold what is added to 1.</summary>
    private RmsNormLayer Norm(string name, int size) => new($"{name}.weight", size, _config.Epsilon) { WeightOffset = 1 };
}
