using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>What ModernBERT reads from its configuration.</summary>
internal sealed record ModernBertConfig
{
    private const string FullAttention = "full_attention", SlidingAttention = "sliding_attention";

    public required int VocabularySize { get; init; }

    public required int HiddenSize { get; init; }

    public required int IntermediateSize { get; init; }

    public required int Heads { get; init; }

    public required int MaxPositions { get; init; }

    public required int PadId { get; init; }

    public required float Epsilon { get; init; }

    public required bool NormBias { get; init; }

    public required bool AttentionBias { get; init; }

    public required bool MlpBias { get; init; }

    /// <summary>For each block whether a token sees all of its text and not only its surroundings.</summary>
    public required IReadOnlyList<bool> SeesAll { get; init; }

    /// <summary>In a block that does not see all, a token sees tokens up to this distance from it in both directions.</summary>
    public required int Reach { get; init; }

    public required RotarySettings RotaryOfAll { get; init; }

    public required RotarySettings RotaryOfSurroundings { get; init; }

    public int HeadSize => HiddenSize / Heads;

    public static ModernBertConfig Read(ModelConfig config)
    {
        config.Require("hidden_activation", "gelu");
        _ = config.Has("layer_norm_eps"); // written beside norm_eps, which alone counts
        config.RequireMultiple("hidden_size", "num_attention_heads");
        int hiddenSize = config.Size("hidden_size"), heads = config.Size("num_attention_heads"), words = config.Size("vocab_size", 50368);
        int headSize = hiddenSize / heads, pad = config.Int("pad_token_id", 50283);
        if (headSize % 2 != 0) throw config.Wrong("num_attention_heads", $"gives heads of {headSize} channels, expected an even number.");
        if (pad < 0 || pad >= words) throw config.Wrong("pad_token_id", $"is {pad}, expected one of the {words} tokens.");

        RotarySettings Rotary(string layerType, string baseKey, double defaultBase)
        {
            (double ropeBase, RopeScaling? scaling) = RopeScaling.Read(config, layerType, baseKey, defaultBase, "rope_scaling");
            return new RotarySettings(layerType, headSize, ropeBase, Divisors: null, scaling);
        }
        return new ModernBertConfig
        {
            VocabularySize = words,
            HiddenSize = hiddenSize,
            IntermediateSize = config.Size("intermediate_size"),
            Heads = heads,
            MaxPositions = config.Size("max_position_embeddings", 8192),
            PadId = pad,
            Epsilon = (float)config.Number("norm_eps", 1e-5),
            NormBias = config.Flag("norm_bias", false),
            AttentionBias = config.Flag("attention_bias", false),
            MlpBias = config.Flag("mlp_bias", false),
            SeesAll = ReadLayerTypes(config),
            Reach = config.Size("local_attention", 128) / 2,
            RotaryOfAll = Rotary(FullAttention, "global_rope_theta", 160000),
            RotaryOfSurroundings = Rotary(SlidingAttention, "local_rope_theta", 10000),
        };
    }

    private static bool[] ReadLayerTypes(ModelConfig config)
    {
        int blocks = config.Size("num_hidden_layers"), every = config.Size("global_attn_every_n_layers", 3);
        if (config.Texts("layer_types") is not { } types) return [.. Enumerable.Range(0, blocks).Select(block => block % every == 0)];
        if (types.Count == blocks && types.All(type => type is FullAttention or SlidingAttention))
            return [.. types.Select(type => type == FullAttention)];
        throw config.Wrong("layer_types", $"must name {FullAttention} or {SlidingAttention} for each of {blocks} blocks.");
    }
}

/// <summary>
/// ModernBERT: an encoder with norms before attention and MLP, rotary positions, a gated MLP, and two kinds of blocks. In some of them a token sees
/// all of its text, in the others only its surroundings, and the two kinds turn by frequencies of their own. Hugging Face: modeling_modernbert.py.
/// </summary>
internal sealed class ModernBert : Backbone
{
    private const string Words = "embeddings.tok_embeddings.weight";

    private readonly ModernBertConfig _config;
    private readonly Weight _words;

    public ModernBert(Checkpoint checkpoint)
        : base(checkpoint, Words)
    {
        _config = ModernBertConfig.Read(checkpoint.Config);
        _words = checkpoint.Require(Prefix + Words, _config.VocabularySize, _config.HiddenSize);
    }

    public override int BlockCount => _config.SeesAll.Count;

    public override int HiddenSize => _config.HiddenSize;

    public override int VocabularySize => _config.VocabularySize;

    public override int MaxTokens => _config.MaxPositions;

    public override bool IsCausal => false;

    public override int PadId => _config.PadId;

    public override void Embed(ReadOnlySpan<int> ids, Span<float> destination)
    {
        for (int t = 0; t < ids.Length; t++) _words.CopyRow(ids[t], destination.Slice(t * HiddenSize, HiddenSize));
    }

    public override void Forward(Layers layers, AttentionInputs inputs, BlockRange blocks, Action<int, string> keep)
    {
        string hidden = inputs.Embeddings; // [B,T,H]
        if (blocks.First == 0) keep(0, hidden = layers.Norm(hidden, Norm("embeddings.norm")));
        if (blocks.End == blocks.First) return;

        Rotary ofAll = Rotary.Add(layers, _config.RotaryOfAll, inputs.Positions, _config.HeadSize);
        Rotary ofSurroundings = Rotary.Add(layers, _config.RotaryOfSurroundings, inputs.Positions, _config.HeadSize);
        for (int block = blocks.First; block < blocks.End; block++)
        {
            hidden = Block(layers, hidden, block, inputs.Lengths, _config.SeesAll[block] ? ofAll : ofSurroundings);
            // The last hidden state is the one after the final norm.
            keep(block + 1, block + 1 == BlockCount ? layers.Norm(hidden, Norm("final_norm")) : hidden);
        }
    }

    private string Block(Layers layers, string hidden, int block, string lengths, Rotary rotary)
    {
        // The first block has no norm of its own before attention, since the embeddings have just been normed.
        string input = block == 0 ? hidden : layers.Norm(hidden, Norm($"layers.{block}.attn_norm"));
        hidden = layers.Add(Attention(layers, input, block, lengths, rotary), hidden);
        return layers.Add(Mlp(layers, layers.Norm(hidden, Norm($"layers.{block}.mlp_norm")), block), hidden);
    }

    private string Attention(Layers layers, string input, int block, string lengths, Rotary rotary)
    {
        ModernBertConfig c = _config;
        string name = $"{Prefix}layers.{block}.attn";
        LinearLayer[] stored = LinearLayer.StoredIn(
            $"{name}.Wqkv", HiddenSize, c.AttentionBias, ("query", HiddenSize), ("key", HiddenSize), ("value", HiddenSize));
        string[] queryKeyValue = [.. stored.Select(layer => layers.Linear(input, layer))]; // [B,T,H] each
        AttentionShape shape = new(c.Heads, c.Heads, c.HeadSize, 1 / MathF.Sqrt(c.HeadSize))
        {
            IsRotary = true,
            Window = c.SeesAll[block] ? 0 : c.Reach + 1, // the window counts the token itself
        };
        string attention = layers.Attend(queryKeyValue[0], queryKeyValue[1], queryKeyValue[2], shape, lengths, rotary);
        return layers.Linear(attention, new($"{name}.Wo", HiddenSize, HiddenSize, c.AttentionBias));
    }

    private string Mlp(Layers layers, string input, int block)
    {
        ModernBertConfig c = _config;
        string name = $"{Prefix}layers.{block}.mlp";
        LinearLayer[] stored = LinearLayer.StoredIn(
            $"{name}.Wi", HiddenSize, c.MlpBias, ("activated", c.IntermediateSize), ("factor", c.IntermediateSize));
        string activated = layers.Activate(layers.Linear(input, stored[0]), Activation.Gelu); // [B,T,I]
        string gated = layers.Multiply(activated, layers.Linear(input, stored[1]));
        return layers.Linear(gated, new($"{name}.Wo", c.IntermediateSize, HiddenSize, c.MlpBias));
    }

    public override long ParameterCount(int depth)
    {
        ModernBertConfig c = _config;
        long h = c.HiddenSize, i = c.IntermediateSize, norm = c.NormBias ? 2 * h : h;
        long attention = 4 * h * h + (c.AttentionBias ? 4 * h : 0);
        long mlp = 3 * h * i + (c.MlpBias ? 2 * i + h : 0);
        long norms = 1 + 2L * depth - (depth > 0 ? 1 : 0) + (depth == BlockCount ? 1 : 0);
        return depth * (attention + mlp) + norms * norm;
    }

    private LayerNormLayer Norm(string name) =>
        new($"{Prefix}{name}.weight", _config.NormBias ? $"{Prefix}{name}.bias" : null, HiddenSize, _config.Epsilon);
}
