using LlmEmbed.Tokenization;

namespace LlmEmbed.Reading;

/// <summary>Texts as the engine reads them, and their keys in the store.</summary>
/// <param name="Tokens">[N], the token ids of each text, what stands around it included; none for a text that gives no token.</param>
/// <param name="Keys">[N].</param>
/// <param name="AreEmpty">[N], whether a text gives no token of its own: none at all, or special ones only.</param>
internal sealed record PreparedTexts(TokenizedText[] Tokens, TextKey[] Keys, bool[] AreEmpty);

/// <summary>Everything that happens to a text before the engine: the prompt around it, its tokens, and the token before a single one.</summary>
internal sealed class TextPreparation
{
    private readonly Tokenizer _tokenizer;
    private readonly bool _isPrompted, _isCausal;
    private readonly int _maxTokens, _threads;

    /// <param name="backbone">The backbone.</param>
    /// <param name="plan">What is read of it.</param>
    /// <param name="threads">Threads that tokenize; null takes one for each logical processor.</param>
    public TextPreparation(OpenBackbone backbone, BackbonePlan plan, int? threads)
    {
        (_isPrompted, _isCausal, _maxTokens, _threads) = (
            plan.Prompt is not null, backbone.Model.IsCausal, plan.MaxTokens, threads ?? Environment.ProcessorCount);
        _tokenizer = plan.Prompt is string prompt ? backbone.Tokenizer.WithPrompt(prompt) : backbone.Tokenizer;
        if (plan.MaxTokens <= _tokenizer.Frame.Count)
            throw new LlmEmbedException(
                $"A limit of {plan.MaxTokens} tokens leaves no room for a text: {_tokenizer.Frame.Count} tokens stand around every text of " +
                $"{backbone.Name}. Raise the limit.");
        LeadToken = plan.SingleTokensBehindLineBreak ? backbone.LeadToken(plan.MaxTokens) : null;
    }

    /// <summary>The token that stands before a text of a single token, so that this is not the first of all; null if none does.</summary>
    public int? LeadToken { get; }

    /// <summary>Whether special tokens or a prompt stand before every text.</summary>
    public bool HasTokensBefore => _tokenizer.Frame.Before.Length > 0;

    /// <summary>Token ids of what stands before every text.</summary>
    public int[] IdsBefore => _tokenizer.Frame.Before;

    /// <summary>The tokens of the prompt around every text.</summary>
    public PromptSpan Prompt => _isPrompted ? new(_tokenizer.Frame.Before.Length, _tokenizer.Frame.After.Length) : default;

    /// <summary>Tokenizes texts and makes their keys, which needs no engine and so can be done while one is at work.</summary>
    public PreparedTexts Prepare(IReadOnlyList<string> texts, CancellationToken cancellationToken) =>
        new(
            Tokenize(texts, cancellationToken),
            [.. texts.Select(TextKey.Of)],
            ForEach(texts, _tokenizer.IsEmpty, cancellationToken));

    /// <summary>Tokenizes texts, several at a time.</summary>
    public TokenizedText[] Tokenize(IReadOnlyList<string> texts, CancellationToken cancellationToken) => ForEach(texts, Tokenize, cancellationToken);

    /// <summary>Token ids of one text with its prompt, but without the token before a single one.</summary>
    public int[] Ids(string text) => _tokenizer.Encode(text, _maxTokens).Ids;

    /// <summary>For each text the number of tokens that attention pooling chooses among.</summary>
    public int[] AttendedCounts(IReadOnlyList<string> texts, CancellationToken cancellationToken) =>
        [
            .. Tokenize(texts, cancellationToken).Select(
                text => Prompt.Attended(text.Ids.Length, _isCausal).GetOffsetAndLength(text.Ids.Length).Length),
        ];

    private T[] ForEach<T>(IReadOnlyList<string> texts, Func<string, T> make, CancellationToken cancellationToken)
    {
        T[] made = new T[texts.Count];
        ParallelOptions options = new() { CancellationToken = cancellationToken, MaxDegreeOfParallelism = _threads };
        Parallel.For(0, texts.Count, options, i => made[i] = make(texts[i]));
        return made;
    }

    private TokenizedText Tokenize(string text)
    {
        TokenizedText tokens = _tokenizer.Encode(text, _maxTokens);
        // A prompt around nothing is no text.
        if (_isPrompted && _tokenizer.IsEmpty(text)) return tokens with { Ids = [] };
        bool isFirst = Prompt.Before == 0 && tokens.Ids.Length - Prompt.After == 1 && tokens.Ids.Length < _maxTokens;
        return isFirst && LeadToken is int lead ? tokens with { Ids = [lead, .. tokens.Ids] } : tokens;
    }
}
