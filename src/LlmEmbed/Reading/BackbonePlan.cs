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

    /// <summary>
    /// Whether a text of a single token is read behind a line break, so that the token is not the first of all. It is a choice of training; who asks
    /// for hidden states gets the model's own.
    /// </summary>
    public bool SingleTokensBehindLineBreak { get; init; }

    /// <summary>What texts are read behind, as a sentence for people; empty if they are read as they stand.</summary>
    public string Lead => LeadOf(Prompt, SingleTokensBehindLineBreak);

    /// <summary>The plan of a user's options for a backbone: the model's own states.</summary>
    public static BackbonePlan For(OpenBackbone backbone, EncoderOptions options) => new(
        options.Views.Resolve(backbone.Model.IsCausal, backbone.Model.BlockCount),
        options.MaxTokens ?? options.PadTo ?? Math.Min(DefaultMaxTokens, backbone.Model.MaxTokens),
        options.Precision)
    {
        Prompt = options.Prompt,
        PadTo = options.PadTo,
    };

    /// <summary>
    /// The plan of a training. The state of a decoder's first token says nothing of the text and is far from all others, so a text of one token is
    /// read behind a line break, unless a view asks for the first token or something stands before the text anyway.
    /// </summary>
    public static BackbonePlan ForTraining(OpenBackbone backbone, EncoderOptions options)
    {
        BackbonePlan plan = For(backbone, options);
        return plan with { SingleTokensBehindLineBreak = plan.GainsByLineBreak(backbone) };
    }

    /// <inheritdoc cref="Lead"/>
    public static string LeadOf(string? prompt, bool singleTokensBehindLineBreak) =>
        prompt == OpenBackbone.LeadPrompt ? "texts are read behind a line break"
        : singleTokensBehindLineBreak ? "texts of one token are read behind a line break"
        : "";

    /// <summary>Whether a text of one token would be the first token of a decoder, and no view asks for just that.</summary>
    public bool GainsByLineBreak(OpenBackbone backbone)
    {
        if (!backbone.Model.IsCausal || PadTo is not null || Views.Any(view => Poolings.Of(view.Pooling).ReadsFirstToken)) return false;
        int[] around = Prompt is string prompt ? backbone.Tokenizer.WithPrompt(prompt).Frame.Before
            : [.. backbone.Tokenizer.Frame.Before, .. backbone.Tokenizer.Frame.After]; // without a prompt these are the text's own
        return around.Length == 0 && backbone.LeadToken(MaxTokens) is not null;
    }

    /// <summary>The deepest depth of any view: blocks above it do not run.</summary>
    public int Depth => Views.Max(view => view.Depth);
}
