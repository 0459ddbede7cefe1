namespace LlmEmbed.Reading;

/// <summary>What is read of one backbone, as plain data: equal plans over equal weights and tokenizers give equal states.</summary>
/// <param name="Views">The D views, in the order of the features.</param>
/// <param name="MaxTokens">Longest input in tokens, special tokens included; longer texts lose their end.</param>
/// <param name="Precision">The numbers that matrix products are computed in.</param>
internal sealed record BackbonePlan(IReadOnlyList<View> Views, int MaxTokens, Precision Precision)
{
    private const int DefaultMaxTokens = 256;

    /// <summary>A template around every text, with <c>{text}</c> once; null for none.</summary>
    public string? Prompt { get; init; }

    /// <summary>The number of tokens that every text is padded to; null pads to the longest text of a batch, which changes no state.</summary>
    public int? PadTo { get; init; }

    /// <summary>[H], what <see cref="Pooling.Attention"/> weighs tokens by; null if no view needs it.</summary>
    public float[]? AttentionQuery { get; init; }

    /// <summary>The plan of a user's options for a backbone.</summary>
    public static BackbonePlan For(OpenBackbone backbone, EncoderOptions options) => new(
        options.Views.Resolve(backbone.Model.IsCausal, backbone.Model.BlockCount),
        options.MaxTokens ?? options.PadTo ?? Math.Min(DefaultMaxTokens, backbone.Model.MaxTokens),
        options.Precision)
    {
        Prompt = options.Prompt,
        PadTo = options.PadTo,
    };

    /// <summary>The deepest depth of any view: blocks above it do not run.</summary>
    public int Depth => Views.Max(view => view.Depth);
}
