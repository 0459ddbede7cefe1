using LlmEmbed.Tokenization;

namespace LlmEmbed.Reading;

/// <summary>What is read of one backbone, as plain data: equal plans over equal weights and tokenizers give equal states.</summary>
/// <param name="Views">The D views, in the order of the features.</param>
/// <param name="MaxTokens">Longest input in tokens, special tokens included; longer texts lose their end.</param>
/// <param name="Precision">The numbers that matrix products are computed in.</param>
internal sealed record BackbonePlan(IReadOnlyList<View> Views, int MaxTokens, Precision Precision)
{
    private const int DefaultMaxTokens = 256;

    /// <summary>
    /// A template around every text, with <c>{text}</c> once, or what stands before every text, read together with it; null for none. An empty one
    /// says that a decoder's texts have no line break before them where the same backbone is also read with one.
    /// </summary>
    public string? Prompt { get; init; }

    /// <summary>The prompt, if it is a template.</summary>
    public string? Template => Prompt is not null && PromptTemplate.IsTemplate(Prompt) ? Prompt : null;

    /// <summary>The prompt, if it stands before every text; empty if it does not.</summary>
    public string TextBefore => Template is null ? Prompt ?? "" : "";

    /// <summary>Whether a view is what the repository's authors mean.</summary>
    public bool ReadsSentence => Views.Any(view => view.Pooling == Pooling.Sentence);

    /// <summary>The number of tokens that every text is padded to; null pads to the longest text of a batch, which changes no state.</summary>
    public int? PadTo { get; init; }

    /// <summary>What the views with <see cref="Pooling.Attention"/> weigh tokens by: at most one for each depth.</summary>
    public IReadOnlyList<AttentionQuery> AttentionQueries { get; init; } = [];

    /// <summary>
    /// Whether a text of a single token is read behind a line break, so that the token is not the first of all. It is a choice of training; who asks
    /// for hidden states gets the model's own.
    /// </summary>
    public bool SingleTokensBehindLineBreak { get; init; }

    /// <summary>What texts are read behind, as a sentence for people; empty if they are read as they stand.</summary>
    public string Lead => LeadOf(Prompt, SingleTokensBehindLineBreak);

    /// <summary>The plan of a user's options for a backbone: the model's own states, and what its authors' library gives.</summary>
    public static BackbonePlan For(OpenBackbone backbone, EncoderOptions options) => For(backbone, options, sentence => sentence.DefaultPromptName);

    /// <summary>The longest input of a training that leaves it open and compares the view of the repository's authors with others.</summary>
    public static int MaxTokensBeside(SentenceView sentence) => Math.Min(DefaultMaxTokens, sentence.MaxTokens);

    /// <summary>
    /// The plan of a training. The state of a decoder's first token says nothing of the text and is far from all others, so a text of one token is
    /// read behind a line break, unless a view asks for the first token or something stands before the text anyway.
    /// </summary>
    public static BackbonePlan ForTraining(OpenBackbone backbone, EncoderOptions options)
    {
        BackbonePlan plan = For(backbone, options, sentence => sentence.ClassificationPromptName);
        return plan with { SingleTokensBehindLineBreak = plan.GainsByLineBreak(backbone) };
    }

    /// <inheritdoc cref="Lead"/>
    public static string LeadOf(string? prompt, bool singleTokensBehindLineBreak) =>
        prompt == OpenBackbone.LeadPrompt ? "texts are read behind a line break"
        : prompt is { Length: > 0 } && !PromptTemplate.IsTemplate(prompt) ? $"texts are read behind '{prompt}'"
        : singleTokensBehindLineBreak ? "texts of one token are read behind a line break"
        : "";

    /// <summary>Whether a text of one token would be the first token of a decoder, and no view asks for just that.</summary>
    public bool GainsByLineBreak(OpenBackbone backbone)
    {
        if (!backbone.Model.IsCausal || PadTo is not null || Views.Any(view => Poolings.Of(view.Pooling).ReadsFirstToken)) return false;
        if (TextBefore.Length > 0) return false;
        int[] around = Template is string template ? backbone.Tokenizer.WithPrompt(template).Frame.Before
            : [.. backbone.Tokenizer.Frame.Before, .. backbone.Tokenizer.Frame.After]; // without a prompt these are the text's own
        return around.Length == 0 && backbone.LeadToken(MaxTokens) is not null;
    }

    /// <summary>The deepest depth of any view: blocks above it do not run.</summary>
    public int Depth => Views.Max(view => view.Depth);

    private static BackbonePlan For(OpenBackbone backbone, EncoderOptions options, Func<SentenceView, string?> ownPrompt)
    {
        IReadOnlyList<View> views = options.Views.Resolve(backbone.Model.IsCausal, backbone.Model.BlockCount, () => backbone.Sentence);
        SentenceView? sentence = views.Any(view => view.Pooling == Pooling.Sentence) ? backbone.Sentence : null;
        int maxTokens = sentence?.MaxTokens ?? Math.Min(DefaultMaxTokens, backbone.Model.MaxTokens);
        return new BackbonePlan(views, options.MaxTokens ?? options.PadTo ?? maxTokens, options.Precision)
        {
            Prompt = PromptOf(backbone, options, sentence is null ? null : ownPrompt(sentence), views) is { Length: > 0 } prompt ? prompt : null,
            PadTo = options.PadTo,
        };
    }

    /// <summary>The prompt that is asked for, or else the repository's own.</summary>
    /// <param name="backbone">The backbone.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="ownName">The name of the repository's prompt; null if it has none, or if no view is read as the repository says.</param>
    /// <param name="views">The views that are read.</param>
    private static string? PromptOf(OpenBackbone backbone, EncoderOptions options, string? ownName, IReadOnlyList<View> views)
    {
        if (options.Prompt is not null && options.PromptName is not null)
            throw new LlmEmbedException("A prompt (--prompt) and the name of one (--prompt-name) were given, expected one of them.");
        if ((options.Prompt ?? (options.PromptName is string name ? backbone.Sentence.PromptNamed(name) : null)) is string given) return given;
        if (ownName is null || backbone.Sentence.PromptNamed(ownName) is not { Length: > 0 } own) return null;
        // Hidden states that are asked for do not depend on what else is asked for.
        if (views.All(view => view.Pooling == Pooling.Sentence)) return own;
        throw new LlmEmbedException(
            $"{backbone.Name} reads its texts behind its prompt '{ownName}' for the view 'sentence' and without it for others. Name the prompt for " +
            $"all of them (--prompt-name {ownName}, or --prompt '' for none), or read 'sentence' in a run of its own.");
    }
}
