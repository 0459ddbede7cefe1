using System.Globalization;

namespace LlmEmbed.Tokenization;

/// <summary>The ids of one text. <paramref name="Truncated"/> says that the text had more tokens than were allowed.</summary>
internal sealed record TokenizedText(int[] Ids, bool Truncated);

/// <summary>
/// Turns text into the ids that a published model was trained with. Whatever file the vocabulary comes from, the line is the same:
/// added tokens → normalizer → normalized added tokens → pre-tokenizers → model, and special tokens around the result.
/// </summary>
internal sealed class Tokenizer
{
    private readonly Vocabulary _vocabulary;
    private readonly Dictionary<int, string> _addedTokens;
    private readonly TextStage _pipeline;
    private readonly SpecialTokenFrame _frame;
    private readonly TokenizerParts _parts;

    public Tokenizer(TokenizerParts parts)
    {
        _parts = parts;
        _vocabulary = parts.Vocabulary;
        _addedTokens = parts.AddedTokens.DistinctBy(token => token.Id).ToDictionary(token => token.Id, token => token.Content);
        _pipeline = BuildPipeline(parts);
        _frame = parts.Frame;
        VocabularySize = Math.Max(_vocabulary.Size, _addedTokens.Keys.DefaultIfEmpty(-1).Max() + 1);
        PadId = parts.PadId;
        SourceFiles = parts.SourceFiles;
        string count = VocabularySize.ToString("N0", CultureInfo.InvariantCulture);
        Description = $"{parts.Kind}, {count} tokens" + (parts.PreTokenizer is null ? "" : $", pre-tokenizer {parts.PreTokenizer}");
    }

    /// <summary>What stands around every text.</summary>
    public SpecialTokenFrame Frame => _frame;

    /// <summary>The highest id + 1, added tokens included.</summary>
    public int VocabularySize { get; }

    /// <summary>The id that the tokenizer's own files name for padding, null where they name none.</summary>
    public int? PadId { get; }

    /// <summary>Kind, size and pre-tokenizer in a few words, for people.</summary>
    public string Description { get; }

    /// <summary>The files whose content decides the ids.</summary>
    public IReadOnlyList<string> SourceFiles { get; }

    /// <summary>Loads a folder, a tokenizer.json, a SentencePiece model, a vocab.txt, a vocab.json beside its merges.txt, or a GGUF file.</summary>
    /// <exception cref="LlmEmbedException">There is no such file, it is damaged, or it needs something that is not implemented.</exception>
    public static Tokenizer Load(string path) => TokenizerFiles.Load(path);

    /// <summary>Encodes one text. Safe to call from many threads at once.</summary>
    /// <param name="text">Any text; lone surrogates count as U+FFFD.</param>
    /// <param name="maxTokens">
    /// At most so many ids, special tokens included: the text is cut on the right, the special tokens stay. The <c>truncation</c> and
    /// <c>padding</c> of a tokenizer.json are never followed: the published ones say less than the model can read (all-MiniLM-L6-v2 asks for
    /// 128 of its 512 positions).
    /// </param>
    /// <param name="addSpecialTokens">Whether the tokens that the model expects around every text (<c>[CLS]</c>, <c>&lt;s&gt;</c>, ...) are added.</param>
    public TokenizedText Encode(string text, int? maxTokens = null, bool addSpecialTokens = true)
    {
        SpecialTokenFrame frame = addSpecialTokens ? _frame : SpecialTokenFrame.None;
        int room = maxTokens is int limit ? limit - frame.Count : int.MaxValue;
        if (room < 0)
        {
            throw new LlmEmbedException(
                $"A limit of {maxTokens} tokens leaves no room: this tokenizer adds {frame.Count} special tokens to every text. Raise the limit.");
        }

        IdSink ids = Ids(text.Length > 0 ? _parts.TextLead + text : "", isTextStart: !_parts.FollowsText, room);
        return new TokenizedText([.. frame.Before, .. ids.Kept, .. frame.After], ids.IsFull);
    }

    /// <summary>The same tokenizer with a prompt around every text: too long texts lose their end, never the prompt.</summary>
    /// <param name="template">Holds <c>{text}</c> once. Spaces before it become the text's, since most vocabularies have words with the space before them.</param>
    /// <exception cref="LlmEmbedException">The template does not hold <c>{text}</c> once.</exception>
    public Tokenizer WithPrompt(string template)
    {
        (string before, string after) = PromptTemplate.Parts(template);
        string prefix = before.TrimEnd(' ');
        SpecialTokenFrame frame = new([.. _frame.Before, .. Ids(prefix, isTextStart: true).Kept], [.. Ids(after, isTextStart: false).Kept, .. _frame.After]);
        return new Tokenizer(_parts with { Frame = frame, TextLead = before[prefix.Length..], FollowsText = prefix.Length > 0 });
    }

    private IdSink Ids(string text, bool isTextStart, int room = int.MaxValue)
    {
        IdSink ids = new(room);
        if (text.Length > 0) _pipeline.Process(Utf16.ReplaceLoneSurrogates(text), isTextStart, ids);
        return ids;
    }

    /// <summary>The token as the vocabulary writes it, e.g. <c>##ing</c> or <c>Ġthe</c>.</summary>
    public string TokenText(int id) =>
        _addedTokens.TryGetValue(id, out string? added) ? added
        : _vocabulary.Token(id) ?? throw new ArgumentOutOfRangeException(nameof(id), id, $"The vocabulary has no token with this id ({Description}).");

    private static TextStage BuildPipeline(TokenizerParts parts)
    {
        TextStage pipeline = parts.Words;
        pipeline = AddedTokenStage.Before(pipeline, parts.AddedTokens.Where(token => token.Normalized), parts.Normalizer);
        if (parts.Normalizer is not null) pipeline = new NormalizerStage(parts.Normalizer, pipeline);
        return AddedTokenStage.Before(pipeline, parts.AddedTokens.Where(token => !token.Normalized), normalizer: null);
    }
}

/// <summary>What every kind of tokenizer file is read into.</summary>
internal sealed record TokenizerParts
{
    /// <summary>The model in a few words, e.g. <c>byte-level BPE</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>The pre-tokenizer's name, null where there is none.</summary>
    public string? PreTokenizer { get; init; }

    /// <summary>The model's own vocabulary, without tokens that were added later.</summary>
    public required Vocabulary Vocabulary { get; init; }

    public IReadOnlyList<AddedToken> AddedTokens { get; init; } = [];

    public TextNormalizer? Normalizer { get; init; }

    /// <summary>The pre-tokenizers, ending in the model.</summary>
    public required TextStage Words { get; init; }

    public SpecialTokenFrame Frame { get; init; } = SpecialTokenFrame.None;

    public int? PadId { get; init; }

    /// <summary>Put before every text that is not empty.</summary>
    public string TextLead { get; init; } = "";

    /// <summary>Whether texts follow the words of a prompt and are no beginning.</summary>
    public bool FollowsText { get; init; }

    public required IReadOnlyList<string> SourceFiles { get; init; }
}

/// <summary>The special tokens before and after every text.</summary>
internal sealed record SpecialTokenFrame(int[] Before, int[] After)
{
    public static SpecialTokenFrame None { get; } = new([], []);

    public int Count => Before.Length + After.Length;
}
