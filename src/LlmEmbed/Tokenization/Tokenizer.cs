using System.Globalization;
using LlmEmbed.Checkpoints;

namespace LlmEmbed.Tokenization;

/// <summary>The tokens of one text.</summary>
/// <param name="Ids">The ids [T] in the order of the text, special tokens included if they were asked for. The array belongs to the caller.</param>
/// <param name="Truncated">Whether the text had more tokens than were allowed, so that its end is missing.</param>
public sealed record TokenizedText(int[] Ids, bool Truncated);

/// <summary>
/// Turns text into the token ids with which a published model was trained. Whatever kind of file the vocabulary comes from, the steps are the same:
/// added tokens are cut out, the rest is normalized, split into words and given to the model, and special tokens are put around the result.
/// Instances cannot be changed and may be used by many threads at once.
/// </summary>
public sealed class Tokenizer
{
    private readonly Vocabulary _vocabulary;
    private readonly Dictionary<int, string> _addedTokens;
    private readonly HashSet<int> _specialTokens;
    private readonly TextStage _pipeline;
    private readonly TokenizerParts _parts;

    internal Tokenizer(TokenizerParts parts)
    {
        _parts = parts;
        _vocabulary = parts.Vocabulary;
        _addedTokens = parts.AddedTokens.DistinctBy(token => token.Id).ToDictionary(token => token.Id, token => token.Content);
        _specialTokens = [.. parts.AddedTokens.Where(token => token.Special).Select(token => token.Id)];
        _pipeline = BuildPipeline(parts);
        VocabularySize = Math.Max(_vocabulary.Size, _addedTokens.Keys.DefaultIfEmpty(-1).Max() + 1);
        string count = VocabularySize.ToString("N0", CultureInfo.InvariantCulture);
        Description = $"{parts.Kind}, {count} tokens" + (parts.PreTokenizer is null ? "" : $", pre-tokenizer {parts.PreTokenizer}");
    }

    /// <summary>The number of ids: the highest id plus 1, added tokens included. There may be ids without a token.</summary>
    public int VocabularySize { get; }

    /// <summary>Kind, size and pre-tokenizer in a few words, for people.</summary>
    public string Description { get; }

    /// <summary>The special tokens around every text.</summary>
    internal SpecialTokenFrame Frame => _parts.Frame;

    /// <summary>The id that the tokenizer's own files name for padding; null if they name none.</summary>
    internal int? PadId => _parts.PadId;

    /// <summary>The files whose content decides the ids.</summary>
    internal IReadOnlyList<string> SourceFiles => _parts.SourceFiles;

    /// <summary>How the vocabulary shows where words begin.</summary>
    internal WordMarks WordMarks => _parts.WordMarks;

    /// <inheritdoc cref="TokenizerParts.ContinuationPrefix"/>
    internal string ContinuationPrefix => _parts.ContinuationPrefix;

    /// <summary>Loads the tokenizer of a backbone. Its weights are not read and need not be there.</summary>
    /// <param name="backbone">
    /// A folder, a GGUF file, a file of a tokenizer (tokenizer.json, a SentencePiece model, vocab.txt, or vocab.json beside its merges.txt), or the
    /// name of a backbone: a folder under one of <paramref name="modelFolders"/> or under models/ in or above the working folder or the program's
    /// folder, or a repository in the local Hugging Face cache.
    /// </param>
    /// <param name="modelFolders">Folders in which a name is looked for before the usual ones.</param>
    /// <exception cref="LlmEmbedException">
    /// The backbone was not found, the files are damaged, or they need something that is not implemented.
    /// </exception>
    public static Tokenizer Load(string backbone, IReadOnlyList<string>? modelFolders = null)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        return new Tokenizer(TokenizerFiles.Read(BackboneLocator.Find(backbone, modelFolders ?? []).Path));
    }

    /// <summary>Encodes one text.</summary>
    /// <param name="text">Any text, also an empty one. Halves of surrogate pairs count as U+FFFD.</param>
    /// <param name="maxTokens">
    /// The most ids to give, special tokens included; null for no limit. A longer text loses its end, and the special tokens stay. What a
    /// tokenizer.json says of truncation and padding is never followed, because published files say less than the model can read (that of
    /// all-MiniLM-L6-v2 asks for 128 of the model's 512 positions).
    /// </param>
    /// <param name="addSpecialTokens">
    /// Whether to add the tokens that the model expects around every text, such as <c>[CLS]</c> or <c>&lt;s&gt;</c>.
    /// </param>
    /// <exception cref="LlmEmbedException"><paramref name="maxTokens"/> is less than the number of special tokens.</exception>
    public TokenizedText Encode(string text, int? maxTokens = null, bool addSpecialTokens = true)
    {
        ArgumentNullException.ThrowIfNull(text);
        SpecialTokenFrame frame = addSpecialTokens ? Frame : SpecialTokenFrame.None;
        int room = maxTokens is int limit ? limit - frame.Count : int.MaxValue;
        if (room < 0)
        {
            throw new LlmEmbedException(
                $"A limit of {maxTokens} tokens leaves no room: this tokenizer adds {frame.Count} special tokens to every text. Raise the limit.");
        }

        IdSink ids = Ids(text.Length > 0 ? _parts.TextLead + text : "", isTextStart: !_parts.FollowsText, room);
        return new TokenizedText([.. frame.Before, .. ids.Kept, .. frame.After], ids.IsFull);
    }

    /// <summary>
    /// Whether a text says nothing to the model: it gives no token of its own, or only special ones that are spelled out in it. The token for unknown
    /// text is none of these, since unknown text is text. What a prompt puts around the text does not count.
    /// </summary>
    internal bool IsEmpty(string text)
    {
        const int Few = 8; // enough for most texts, so that the rest of a long one is not looked at
        IdSink beginning = Ids(text, isTextStart: true, Few);
        if (HasOwnToken(beginning)) return false;
        return !beginning.IsFull || !HasOwnToken(Ids(text, isTextStart: true));
    }

    /// <summary>Whether an id is that of a special token, such as <c>[CLS]</c>.</summary>
    /// <param name="id">Any id.</param>
    public bool IsSpecial(int id) => _specialTokens.Contains(id);

    /// <summary>Whether an id is that of a token which is cut out of the text before the model sees the rest.</summary>
    internal bool IsAdded(int id) => _addedTokens.ContainsKey(id);

    private bool HasOwnToken(IdSink ids)
    {
        foreach (int id in ids.Kept)
            if (!_specialTokens.Contains(id)) return true;
        return false;
    }

    /// <summary>The token of an id as the vocabulary writes it, for example <c>##ing</c> or <c>Ġthe</c>.</summary>
    /// <param name="id">An id that <see cref="Encode"/> gave.</param>
    /// <exception cref="ArgumentOutOfRangeException">No token has this id.</exception>
    public string TokenText(int id) =>
        _addedTokens.GetValueOrDefault(id) ?? _vocabulary.Token(id)
        ?? throw new ArgumentOutOfRangeException(nameof(id), id, $"The vocabulary has no token with this id ({Description}).");

    /// <summary>The same tokenizer with a prompt around every text. A text that is too long loses its end, the prompt never does.</summary>
    /// <param name="template">
    /// Holds <c>{text}</c> once. Spaces before it become part of the text, since most vocabularies have words together with the space before them.
    /// </param>
    /// <exception cref="LlmEmbedException">The template does not hold <c>{text}</c> once.</exception>
    internal Tokenizer WithPrompt(string template)
    {
        (string before, string after) = PromptTemplate.Parts(template);
        string prefix = before.TrimEnd(' ');
        SpecialTokenFrame frame = new(
            [.. Frame.Before, .. Ids(prefix, isTextStart: true).Kept],
            [.. Ids(after, isTextStart: false).Kept, .. Frame.After]);
        return new Tokenizer(_parts with { Frame = frame, TextLead = before[prefix.Length..], FollowsText = prefix.Length > 0 });
    }

    private IdSink Ids(string text, bool isTextStart, int room = int.MaxValue)
    {
        IdSink ids = new(room);
        if (text.Length == 0) return ids;
        ReadOnlySpan<char> wellFormed = Utf16.ReplaceLoneSurrogates(text);
        Utf16.First(wellFormed, out int first);
        _pipeline.Process(wellFormed, isTextStart ? first : 0, ids);
        return ids;
    }

    /// <summary>The chain of steps, built from its end.</summary>
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
    /// <summary>The model in a few words, for example <c>byte-level BPE</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>The name of the pre-tokenizer; null if there is none.</summary>
    public string? PreTokenizer { get; init; }

    /// <summary>The model's own vocabulary, without tokens that were added later.</summary>
    public required Vocabulary Vocabulary { get; init; }

    /// <summary>How the vocabulary shows where words begin.</summary>
    public required WordMarks WordMarks { get; init; }

    /// <summary>Written before a token that goes on with a word, with <see cref="WordMarks.Continuations"/>.</summary>
    public string ContinuationPrefix { get; init; } = WordPieceModel.UsualPrefix;

    public IReadOnlyList<AddedToken> AddedTokens { get; init; } = [];

    public TextNormalizer? Normalizer { get; init; }

    /// <summary>The pre-tokenizers, with the model at their end.</summary>
    public required TextStage Words { get; init; }

    public SpecialTokenFrame Frame { get; init; } = SpecialTokenFrame.None;

    public int? PadId { get; init; }

    /// <summary>What is put before every text that is not empty.</summary>
    public string TextLead { get; init; } = "";

    /// <summary>Whether texts follow the words of a prompt, so that they are no beginning of a text.</summary>
    public bool FollowsText { get; init; }

    public required IReadOnlyList<string> SourceFiles { get; init; }
}

/// <summary>The special tokens before and after every text.</summary>
internal sealed record SpecialTokenFrame(int[] Before, int[] After)
{
    public static SpecialTokenFrame None { get; } = new([], []);

    public int Count => Before.Length + After.Length;
}
