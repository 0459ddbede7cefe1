using LlmEmbed.Tokenization;

namespace LlmEmbed.Reading;

/// <summary>Texts as the engine reads them, and their keys in the store.</summary>
/// <param name="Tokens">[N], the token ids of each text, what stands around it included; none for a text that gives no token.</param>
/// <param name="Keys">[N].</param>
/// <param name="AreEmpty">[N], whether a text gives no token of its own: none at all, or special ones only.</param>
internal sealed record PreparedTexts(TokenizedText[] Tokens, TextKey[] Keys, bool[] AreEmpty);

/// <summary>
/// Everything that happens to a text before the engine: the prompt around it, its tokens, and the token before a single one. A template's parts are
/// tokenized apart from the text; a prompt that stands before the text is tokenized together with it, as sentence-transformers does.
/// </summary>
internal sealed class TextPreparation
{
    /// <summary>Beginnings of texts that join with a prompt's end in different ways, if in any.</summary>
    private static readonly string[] Beginnings = ["a", "A", " a", "1", ".", "\n"];

    private readonly Tokenizer _tokenizer;
    private readonly bool _hasTemplate, _isCausal;
    private readonly string _before;
    private readonly int _maxTokens, _threads;

    /// <param name="backbone">The backbone.</param>
    /// <param name="plan">What is read of it.</param>
    /// <param name="threads">Threads that tokenize; null takes one for each logical processor.</param>
    public TextPreparation(OpenBackbone backbone, BackbonePlan plan, int? threads)
    {
        (_hasTemplate, _before, _isCausal, _maxTokens, _threads) = (
            plan.Template is not null, plan.TextBefore, backbone.Model.IsCausal, plan.MaxTokens, threads ?? Environment.ProcessorCount);
        _tokenizer = plan.Template is string template ? backbone.Tokenizer.WithPrompt(template) : backbone.Tokenizer;
        if (_hasTemplate) Prompt = new(_tokenizer.Frame.Before.Length, _tokenizer.Frame.After.Length);
        else if (_before.Length > 0) Prompt = new(LengthOfPrompt(), 0);
        IdsBefore = _hasTemplate ? _tokenizer.Frame.Before : _before.Length > 0 ? SharedBeginning() : [];
        int around = _hasTemplate || _before.Length == 0 ? _tokenizer.Frame.Count : Prompt.Before + _tokenizer.Frame.After.Length;
        if (plan.MaxTokens <= around)
            throw new LlmEmbedException(
                $"A limit of {plan.MaxTokens} tokens leaves no room for a text: {around} tokens stand around every text of {backbone.Name}. Raise " +
                "the limit.");
        LeadToken = plan.SingleTokensBehindLineBreak ? backbone.LeadToken(plan.MaxTokens) : null;
    }

    /// <summary>The token that stands before a text of a single token, so that this is not the first of all; null if none does.</summary>
    public int? LeadToken { get; }

    /// <summary>Whether special tokens or a prompt stand before every text.</summary>
    public bool HasTokensBefore => _tokenizer.Frame.Before.Length + _before.Length > 0;

    /// <summary>
    /// Token ids of the prompt with which texts begin; none if there is no prompt. Of a prompt that is tokenized together with the text these are the
    /// ones that stay the same before several beginnings; a text may still begin otherwise, where it shares a token with the prompt.
    /// </summary>
    public int[] IdsBefore { get; }

    /// <summary>The tokens of the prompt around every text.</summary>
    public PromptSpan Prompt { get; }

    /// <summary>Tokenizes texts and makes their keys, which needs no engine and so can be done while one is at work.</summary>
    public PreparedTexts Prepare(IReadOnlyList<string> texts, CancellationToken cancellationToken) =>
        new(
            Tokenize(texts, cancellationToken),
            [.. texts.Select(TextKey.Of)],
            ForEach(texts, _tokenizer.IsEmpty, cancellationToken));

    /// <summary>Tokenizes texts, several at a time.</summary>
    public TokenizedText[] Tokenize(IReadOnlyList<string> texts, CancellationToken cancellationToken) => ForEach(texts, Tokenize, cancellationToken);

    /// <summary>Token ids of one text with its prompt, but without the token before a single one.</summary>
    public int[] Ids(string text) => _tokenizer.Encode(_before + text, _maxTokens).Ids;

    /// <summary>For each text the number of tokens that attention pooling chooses among.</summary>
    public int[] AttendedCounts(IReadOnlyList<string> texts, CancellationToken cancellationToken) =>
        [.. Tokenize(texts, cancellationToken).Select(text => Attended(text.Ids).GetOffsetAndLength(text.Ids.Length).Length)];

    /// <summary>For each text the words of the tokens that attention pooling chooses among.</summary>
    public IReadOnlyList<TokenWord>[] WordsOf(IReadOnlyList<string> texts, CancellationToken cancellationToken)
    {
        TokenWords words = new(_tokenizer);
        return [.. Tokenize(texts, cancellationToken).Select(text => words.Of(text.Ids, Attended(text.Ids)))];
    }

    /// <summary>
    /// Tokens that count as the prompt's own: those of the prompt alone, without the special token at their end. At the seam a text may share a token
    /// with it or have one less, as in sentence-transformers.
    /// </summary>
    private int LengthOfPrompt()
    {
        int[] ids = _tokenizer.Encode(_before).Ids;
        return ids.Length - (ids is [.., int last] && _tokenizer.IsSpecial(last) ? 1 : 0);
    }

    /// <summary>The ids that the prompt has before texts which begin in different ways.</summary>
    private int[] SharedBeginning()
    {
        int[][] ids = [.. Beginnings.Select(beginning => _tokenizer.Encode(_before + beginning).Ids)];
        return ids.Aggregate((shared, other) => shared[..shared.AsSpan().CommonPrefixLength(other)]);
    }

    private Range Attended(int[] ids) => ids.Length > 0 ? Prompt.Attended(ids.Length, _isCausal) : 0..0;

    private T[] ForEach<T>(IReadOnlyList<string> texts, Func<string, T> make, CancellationToken cancellationToken)
    {
        T[] made = new T[texts.Count];
        ParallelOptions options = new() { CancellationToken = cancellationToken, MaxDegreeOfParallelism = _threads };
        Parallel.For(0, texts.Count, options, i => made[i] = make(texts[i]));
        return made;
    }

    private TokenizedText Tokenize(string text)
    {
        TokenizedText tokens = _tokenizer.Encode(_before + text, _maxTokens);
        // A prompt around nothing is no text.
        if (_hasTemplate && _tokenizer.IsEmpty(text)) return tokens with { Ids = [] };
        bool isFirst = Prompt.Before == 0 && tokens.Ids.Length - Prompt.After == 1 && tokens.Ids.Length < _maxTokens;
        return isFirst && LeadToken is int lead ? tokens with { Ids = [lead, .. tokens.Ids] } : tokens;
    }
}
