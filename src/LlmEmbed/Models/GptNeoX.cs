using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>What GPT-NeoX reads from its configuration. Defaults are those of transformers.</summary>
internal sealed record GptNeoXConfig
{
    public required int VocabularySize { get; init; }

    public required int HiddenSize { get; init; }

    public required int InnerSize { get; init; }

    public required int BlockCount { get; init; }

    public required int Heads { get; init; }

    public required int MaxPositions { get; init; }

    public required int PadId { get; init; }

    public required float Epsilon { get; init; }

    public required bool AttentionBias { get; init; }

    /// <summary>Whether attention and MLP read the same state and are added to it together.</summary>
    public required bool IsParallel { get; init; }

    public required Activation Activation { get; init; }

    public required RotarySettings Rotary { get; init; }

    public int HeadSize => HiddenSize / Heads;

    public static GptNeoXConfig Read(ModelConfig config)
    {
        config.Require("is_causal", "true");
        config.Require("use_bidirectional_attention", "false");
        _ = config.Has("is_decoder"); // it is one whatever the key says
        config.RequireMultiple("hidden_size", "num_attention_heads");
        int hiddenSize = config.Size("hidden_size"), heads = config.Size("num_attention_heads");
        return new GptNeoXConfig
        {
            VocabularySize = config.Size("vocab_size"),
            HiddenSize = hiddenSize,
            InnerSize = config.Size("intermediate_size"),
            BlockCount = config.Size("num_hidden_layers"),
            Heads = heads,
            MaxPositions = config.Size("max_position_embeddings", 2048),
            PadId = config.IntOrNull("pad_token_id") is int pad and >= 0 ? pad : 0,
            Epsilon = (float)config.Number("layer_norm_eps", 1e-5),
            AttentionBias = config.Flag("attention_bias", true),
            IsParallel = config.Flag("use_parallel_residual", true),
            Activation = Activations.Read(config, "hidden_act", "gelu"),
            Rotary = ReadRotary(config, hiddenSize / heads),
        };
    }

    private static RotarySettings ReadRotary(ModelConfig config, int headSize)
    {
        (_, RopeScaling? scaling) = RopeScaling.Read(config);
        double ropeBase = OfEither(config, "rotary_emb_base", "rope_theta", 10000);
        double share = OfEither(config, "rotary_pct", "partial_rotary_factor", 0.25);
        if (config.Section("rope_parameters") is { } parameters)
            (ropeBase, share) = (parameters.Number("rope_theta", ropeBase), parameters.Number("partial_rotary_factor", share));
        int turned = (int)(headSize * share);
        if (headSize % 2 != 0) throw config.Wrong("num_attention_heads", $"gives heads of {headSize} channels, expected an even number.");
        if (turned <= 0 || turned > headSize || turned % 2 != 0)
            throw config.Wrong("rotary_pct", $"turns {turned} of the {headSize} channels of a head, expected an even number from 2 to {headSize}.");
        return new RotarySettings("rotary", turned, ropeBase, Divisors: null, scaling);
    }

    /// <summary>A number that has two names, of which some versions of transformers wrote both.</summary>
    private static double OfEither(ModelConfig config, string key, string otherKey, double fallback)
    {
        double number = config.Number(key, config.Number(otherKey, fallback)), other = config.Number(otherKey, number);
        return number == other ? number : throw config.Wrong(key, $"is {number}, but '{otherKey}', which means the same, is {other}.");
    }
}

/// <summary>
/// GPT-NeoX and Pythia: a decoder whose attention and MLP read the same state side by side, with rotary positions on a part of each head. Queries,
/// keys and values are stored in one tensor, head by head. Hugging Face: modeling_gpt_neox.py.
/// </summary>
internal sealed class GptNeoX : Backbone
{
    private const string Words = "embed_in.weight";

    private readonly GptNeoXConfig _config;
    private readonly Weight _words;

    public GptNeoX(Checkpoint checkpoint)
        : base(checkpoint, Words)
    {
        _config = GptNeoXConfig.Read(checkpoint.Config);
        _words = checkpoint.Require(Prefix + Words, _config.VocabularySize, HiddenSize);
    }

    public override int BlockCount => _config.BlockCount;

    public override int HiddenSize => _config.HiddenSize;

    public override int VocabularySize => _config.VocabularySize;

    public override int MaxTokens => _config.MaxPositions;

    public override bool IsCausal => true;

    public override int PadId => _config.PadId;

    public override void Embed(ReadOnlySpan<int> ids, Span<float> destination)
    {
        for (int t = 0; t < ids.Length; t++) _words.CopyRow(ids[t], destination.Slice(t * HiddenSize, HiddenSize));
    }

    public override void Forward(Layers layers, AttentionInputs inputs, BlockRange blocks, Action<int, string> keep)
    {
        string hidden = inputs.Embeddings; // [B,T,H]
        if (blocks.First == 0) keep(0, hidden);
        if (blocks.End == blocks.First) return;

        Rotary rotary = Rotary.Add(layers, _config.Rotary, inputs.Positions, _config.HeadSize);
        for (int block = blocks.First; block < blocks.End; block++)
        {
            hidden = Block(layers, hidden, block, inputs, rotary);
            // The last hidden state is the one after the final norm.
            keep(block + 1, block + 1 == BlockCount ? layers.Norm(hidden, Norm($"{Prefix}final_layer_norm")) : hidden);
        }
    }

    private string Block(Layers layers, string hidden, int block, AttentionInputs inputs, Rotary rotary)
    {
        string name = $"{Prefix}layers.{block}";
        string attended = layers.Add(Attention(layers, layers.Norm(hidden, Norm($"{name}.input_layernorm")), block, inputs, rotary), hidden);
        string input = layers.Norm(_config.IsParallel ? hidden : attended, Norm($"{name}.post_attention_layernorm"));
        return layers.Add(Mlp(layers, input, $"{name}.mlp"), attended);
    }

    private string Attention(Layers layers, string input, int block, AttentionInputs inputs, Rotary rotary)
    {
        GptNeoXConfig c = _config;
        string name = $"{Prefix}layers.{block}.attention";
        int[] turned = PartialRotary.ChannelOrder(c.HeadSize, c.Rotary.Channels), inOrder = [.. Enumerable.Range(0, c.HeadSize)];
        string Part(string part, int index, int[] channels)
        {
            int[] rows = Rows(index, channels);
            return layers.Linear(input, LinearLayer.OfRows($"{name}.query_key_value", part, HiddenSize, 3 * HiddenSize, rows, c.AttentionBias));
        }
        (string query, string key, string value) = (Part("query", 0, turned), Part("key", 1, turned), Part("value", 2, inOrder)); // [B,T,H] each
        inputs.KeysAndValues?.Invoke(block, key, value);
        AttentionShape shape = new(c.Heads, c.Heads, c.HeadSize, 1 / MathF.Sqrt(c.HeadSize)) { IsCausal = true, IsRotary = true };
        string attention = layers.Attend(query, key, value, shape, inputs.Lengths, rotary, inputs.Prefix?.Of(block));
        return layers.Linear(attention, new($"{name}.dense", HiddenSize, HiddenSize, c.AttentionBias));
    }

    private string Mlp(Layers layers, string input, string name)
    {
        string inner = layers.Linear(input, new($"{name}.dense_h_to_4h", HiddenSize, _config.InnerSize, HasBias: true)); // [B,T,I]
        return layers.Linear(layers.Activate(inner, _config.Activation), new($"{name}.dense_4h_to_h", _config.InnerSize, HiddenSize, HasBias: true));
    }

    /// <summary>The stored rows of all queries (part 0), keys (1) or values (2): each head has its own three parts one after the other.</summary>
    private int[] Rows(int part, int[] channels) =>
        [.. Enumerable.Range(0, _config.Heads).SelectMany(head => channels.Select(channel => (head * 3 + part) * _config.HeadSize + channel))];

    public override long ParameterCount(int depth)
    {
        long h = HiddenSize, inner = _config.InnerSize;
        long block = 4 * h * h + (_config.AttentionBias ? 4 * h : 0) + h * inner + inner + inner * h + h + 4 * h;
        return depth * block + (depth == BlockCount ? 2 * h : 0);
    }

    private LayerNormLayer Norm(string name) => new($"{name}.weight", $"{name}.bias", HiddenSize, _config.Epsilon);
}
