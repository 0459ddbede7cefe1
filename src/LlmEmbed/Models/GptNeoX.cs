using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// GPT-NeoX and Pythia: a decoder whose attention and MLP read the same state side by side, with rotary positions on a part of each head. Queries,
/// keys and values are stored in one tensor, head by head. Defaults are those of transformers. Hugging Face: modeling_gpt_neox.py.
/// </summary>
internal sealed class GptNeoX : GptDecoder
{
    private readonly bool _attentionBias, _isParallel;
    private readonly RotarySettings _rotary;

    public GptNeoX(Checkpoint checkpoint)
        : base(checkpoint, "embed_in.weight", Read(checkpoint.Config))
    {
        _attentionBias = checkpoint.Config.Flag("attention_bias", true);
        _isParallel = checkpoint.Config.Flag("use_parallel_residual", true);
        _rotary = ReadRotary(checkpoint.Config, Config.HeadSize);
    }

    protected override NormLayer FinalNorm => Norm($"{Prefix}final_layer_norm");

    protected override ResidualBlock LayersOf(int block)
    {
        (int h, string name) = (HiddenSize, $"{Prefix}layers.{block}");
        return new ResidualBlock(
            Query: PartOfHeads(0, "query"),
            Key: PartOfHeads(1, "key"),
            Value: PartOfHeads(2, "value"),
            AttentionOutput: new($"{name}.attention.dense", h, h, _attentionBias),
            Gate: new($"{name}.mlp.dense_h_to_4h", h, Config.InnerSize, HasBias: true),
            Up: null,
            MlpOutput: new($"{name}.mlp.dense_4h_to_h", Config.InnerSize, h, HasBias: true))
        {
            IsParallel = _isParallel,
            AttentionInputNorm = Norm($"{name}.input_layernorm"),
            MlpInputNorm = Norm($"{name}.post_attention_layernorm"),
            Attention = Attention,
            Rotary = _rotary,
            Activation = Config.Activation,
        };

        // Each head has its rows of queries, keys and values one after the other.
        LinearLayer PartOfHeads(int index, string part)
        {
            int size = Config.HeadSize;
            IEnumerable<int> rows = Enumerable.Range(0, Config.Heads).SelectMany(head => Enumerable.Range((head * 3 + index) * size, size));
            return LinearLayer.OfRows($"{name}.attention.query_key_value", part, h, 3 * h, [.. rows], _attentionBias);
        }
    }

    private static GptConfig Read(ModelConfig config)
    {
        RequireDecoder(config);
        config.RequireMultiple("hidden_size", "num_attention_heads");
        return new GptConfig
        {
            VocabularySize = config.Size("vocab_size"),
            HiddenSize = config.Size("hidden_size"),
            InnerSize = config.Size("intermediate_size"),
            BlockCount = config.Size("num_hidden_layers"),
            Heads = config.Size("num_attention_heads"),
            MaxPositions = config.Size("max_position_embeddings", 2048),
            Epsilon = (float)config.Number("layer_norm_eps", 1e-5),
            Activation = Activations.Read(config, "hidden_act", "gelu"),
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
