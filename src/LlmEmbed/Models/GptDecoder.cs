using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>What GPT-2 and GPT-NeoX read from their configurations, each under keys of its own.</summary>
internal sealed record GptConfig
{
    public required int VocabularySize { get; init; }

    public required int HiddenSize { get; init; }

    public required int InnerSize { get; init; }

    public required int BlockCount { get; init; }

    public required int Heads { get; init; }

    public required int MaxPositions { get; init; }

    public required float Epsilon { get; init; }

    public required Activation Activation { get; init; }

    public int HeadSize => HiddenSize / Heads;
}

/// <summary>What GPT-2 and GPT-NeoX have in common: decoders with layer norms in front of attention and of an MLP without a gate.</summary>
internal abstract class GptDecoder(Checkpoint checkpoint, string wordTable, GptConfig config) : ResidualBackbone(checkpoint, wordTable)
{
    public sealed override int BlockCount => config.BlockCount;

    public sealed override int HiddenSize => config.HiddenSize;

    public sealed override int VocabularySize => config.VocabularySize;

    public sealed override int MaxTokens => config.MaxPositions;

    public sealed override bool IsCausal => true;

    public sealed override int PadId { get; } = checkpoint.Config.PadIdOrFirst();

    protected GptConfig Config => config;

    protected AttentionShape Attention => new(config.Heads, config.Heads, config.HeadSize, 1 / MathF.Sqrt(config.HeadSize)) { IsCausal = true };

    protected LayerNormLayer Norm(string name) => new($"{name}.weight", $"{name}.bias", HiddenSize, config.Epsilon);

    /// <summary>Refuses what would turn the decoder into something else.</summary>
    protected static void RequireDecoder(ModelConfig config)
    {
        config.Require("is_causal", "true");
        config.Require("use_bidirectional_attention", "false");
        _ = config.Has("is_decoder"); // it is one whatever the key says
    }
}
