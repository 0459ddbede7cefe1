using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// The encoder of T5 (sentence-t5, gtr, Instructor): norms before attention and MLP that have no bias, scores by distance in place of positions, and
/// attention without a scale. A repository of the whole T5 serves as well, whose decoder is passed over. Hugging Face: modeling_t5.py.
/// </summary>
internal sealed class T5Encoder : ResidualBackbone
{
    /// <summary>A checkpoint has one of these names for the table of token embeddings, or both for the same table.</summary>
    private const string Words = "shared.weight", EncoderWords = "encoder.embed_tokens.weight";

    /// <summary>The texts that T5 was trained with. Scores by distance know no longest text.</summary>
    private const int DefaultMaxTokens = 512;

    private readonly int _heads, _headSize, _innerSize;
    private readonly float _epsilon;
    private readonly DistanceBuckets _buckets;
    private readonly Activation _activation;
    private readonly bool _isGated;

    public T5Encoder(Checkpoint checkpoint)
        : base(checkpoint, WordTableOf(checkpoint))
    {
        ModelConfig config = checkpoint.Config;
        RefuseOthers(config);
        (VocabularySize, HiddenSize, BlockCount) = (config.Size("vocab_size"), config.Size("d_model"), config.Size("num_layers"));
        (_heads, _headSize, _innerSize) = (config.Size("num_heads"), config.Size("d_kv", 64), config.Size("d_ff"));
        MaxTokens = config.Size("n_positions", DefaultMaxTokens);
        PadId = config.Int("pad_token_id", 0);
        _epsilon = (float)config.Number("layer_norm_epsilon", 1e-6);
        _buckets = DistanceBuckets.Read(config, config.Size("relative_attention_max_distance", 128));
        (_activation, _isGated) = ReadMlp(config);
    }

    public override int BlockCount { get; }

    public override int HiddenSize { get; }

    public override int VocabularySize { get; }

    public override int MaxTokens { get; }

    public override bool IsCausal => false;

    public override int PadId { get; }

    protected override NormLayer FinalNorm => Norm($"{Prefix}encoder.final_layer_norm");

    /// <summary>It is stored in the first block and holds for all.</summary>
    protected override string AddDistanceBias(Layers layers, int positions) => _buckets.AddBias(
        layers, Checkpoint, $"{Prefix}encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", _heads, positions);

    protected override ResidualBlock LayersOf(int block)
    {
        int width = _heads * _headSize;
        string name = $"{Prefix}encoder.block.{block}.layer", attention = $"{name}.0.SelfAttention", mlp = $"{name}.1.DenseReluDense";
        return new ResidualBlock(
            Query: Plain($"{attention}.q", HiddenSize, width),
            Key: Plain($"{attention}.k", HiddenSize, width),
            Value: Plain($"{attention}.v", HiddenSize, width),
            AttentionOutput: Plain($"{attention}.o", width, HiddenSize),
            Gate: Plain($"{mlp}.{(_isGated ? "wi_0" : "wi")}", HiddenSize, _innerSize),
            Up: _isGated ? Plain($"{mlp}.wi_1", HiddenSize, _innerSize) : null,
            MlpOutput: Plain($"{mlp}.wo", _innerSize, HiddenSize))
        {
            AttentionInputNorm = Norm($"{name}.0.layer_norm"),
            MlpInputNorm = Norm($"{name}.1.layer_norm"),
            Attention = new(_heads, _heads, _headSize, Scale: 1),
            Rotary = null,
            Activation = _activation,
        };
    }

    private static LinearLayer Plain(string name, int inputs, int outputs) => new(name, inputs, outputs, HasBias: false);

    private RmsNormLayer Norm(string name) => new($"{name}.weight", HiddenSize, _epsilon);

    private static string WordTableOf(Checkpoint checkpoint)
    {
        bool IsThere(string table) => checkpoint.Weights.Keys.Any(name => name == table || name.EndsWith($".{table}", StringComparison.Ordinal));
        return !IsThere(Words) && IsThere(EncoderWords) ? EncoderWords : Words;
    }

    /// <summary>What <c>feed_forward_proj</c> says. The keys beside it, which later versions of transformers wrote, must say the same.</summary>
    private static (Activation Activation, bool IsGated) ReadMlp(ModelConfig config)
    {
        config.Require("feed_forward_proj", "relu", "gelu", "gated-gelu", "gated-silu");
        string name = config.Text("feed_forward_proj", "relu");
        bool isGated = name.StartsWith("gated-", StringComparison.Ordinal);
        string function = name == "gated-gelu" ? "gelu_new" : name.Split('-')[^1]; // published models mean this one by it
        config.Require("is_gated_act", isGated ? "true" : "false");
        config.Require("dense_act_fn", function);
        return (Activations.Of(function), isGated);
    }

    private static void RefuseOthers(ModelConfig config)
    {
        config.Require("is_decoder", "false");
        config.Require("add_cross_attention", "false");
        config.Require("is_causal", "false");
        config.Require("use_bidirectional_attention", "true");
        foreach (string key in (string[])["is_encoder_decoder", "num_decoder_layers", "scale_decoder_outputs"]) _ = config.Has(key); // the decoder's
    }
}
