using System.Text;
using LlmEmbed.Files;

namespace LlmEmbed.Tokenization;

/// <summary>The kinds of pieces. Their numbers are those of SentencePiece's ModelProto, which GGUF's token types follow.</summary>
internal enum SentencePieceType
{
    /// <summary>The piece stands for text.</summary>
    Normal = 1,

    /// <summary>The piece stands for text that no other piece covers.</summary>
    Unknown = 2,

    /// <summary>The piece is special and never part of a text.</summary>
    Control = 3,

    /// <summary>The piece is always taken whole.</summary>
    UserDefined = 4,

    /// <summary>The piece is reserved.</summary>
    Unused = 5,

    /// <summary>The piece stands for one byte of a character that no piece covers.</summary>
    Byte = 6,
}

/// <summary>The algorithms. Their numbers are those of SentencePiece's TrainerSpec.</summary>
internal enum SentencePieceAlgorithm
{
    Unigram = 1,
    Bpe = 2,
    Word = 3,
    Char = 4,
}

internal sealed record SentencePiece(string Text, float Score, SentencePieceType Type);

/// <summary>
/// A SentencePiece vocabulary with its rules, from a file of its own or from the metadata of a GGUF file. The defaults are those of the format.
/// </summary>
internal sealed record SentencePieceModel(string File)
{
    public IReadOnlyList<SentencePiece> Pieces { get; init; } = [];

    public SentencePieceAlgorithm Algorithm { get; init; } = SentencePieceAlgorithm.Unigram;

    public bool ByteFallback { get; init; }

    public PrecompiledCharacterMap? CharacterMap { get; init; }

    /// <summary>A space is put in front of the text.</summary>
    public bool AddDummyPrefix { get; init; } = true;

    /// <summary>Spaces at both ends are removed, and several spaces in a row become one.</summary>
    public bool RemoveExtraSpaces { get; init; } = true;

    /// <summary>Spaces become U+2581.</summary>
    public bool EscapeSpaces { get; init; } = true;

    public int? PadId { get; init; }

    public Vocabulary ToVocabulary() => new(File, [.. Pieces.Select((piece, id) => KeyValuePair.Create(piece.Text, id))]);

    /// <summary>All parts of the tokenizer but the special tokens around a text, which the files of each family name in their own way.</summary>
    /// <param name="vocabulary">The vocabulary of these pieces.</param>
    /// <param name="named">Added tokens that other files describe. Control pieces that these files leave out count as added tokens too.</param>
    /// <param name="prefixEveryPart">Whether the space also goes in front of the text behind an added token.</param>
    public TokenizerParts ToParts(Vocabulary vocabulary, IReadOnlyCollection<AddedToken> named, bool prefixEveryPart) =>
        ToParts(vocabulary, named, next => new SentencePieceStage(this, prefixEveryPart, next));

    /// <inheritdoc cref="ToParts(Vocabulary, IReadOnlyCollection{AddedToken}, bool)"/>
    /// <param name="vocabulary">The vocabulary of these pieces.</param>
    /// <param name="named">Added tokens that other files describe.</param>
    /// <param name="words">Puts the steps that read a text before the model that splits it.</param>
    public TokenizerParts ToParts(Vocabulary vocabulary, IReadOnlyCollection<AddedToken> named, Func<TextStage, TextStage> words)
    {
        int[] unknown = [.. Enumerable.Range(0, Pieces.Count).Where(id => Pieces[id].Type == SentencePieceType.Unknown)];
        if (unknown.Length != 1) throw FileProblem.In(File, $"the vocabulary has {unknown.Length} pieces for unknown text, expected 1.");

        TextStage model = BuildModel(vocabulary, unknown[0]);
        IEnumerable<AddedToken> control = Enumerable.Range(0, Pieces.Count)
            .Where(id => Pieces[id].Type is SentencePieceType.Control or SentencePieceType.Unknown && named.All(token => token.Id != id))
            .Select(id => new AddedToken(id, Pieces[id].Text) { Special = Pieces[id].Type == SentencePieceType.Control });
        return new TokenizerParts
        {
            Kind = "SentencePiece " + (Algorithm == SentencePieceAlgorithm.Bpe ? "BPE" : "Unigram") + (ByteFallback ? " with byte fallback" : ""),
            Vocabulary = vocabulary,
            WordMarks = WordMarks.Spaces,
            AddedTokens = [.. named, .. control.Where(token => token.Content.Length > 0)],
            Words = words(model),
            SourceFiles = [File],
        };
    }

    private TextStage BuildModel(Vocabulary vocabulary, int unknownId)
    {
        List<(string Token, double Score)> pieces = [];
        List<string> userDefined = [];
        foreach (SentencePiece piece in Pieces)
        {
            if (piece.Type is SentencePieceType.Unused || !Enum.IsDefined(piece.Type))
                throw FileProblem.In(File, $"the piece '{piece.Text}' has the type {piece.Type}, which is not implemented.");
            if (!float.IsFinite(piece.Score))
                throw FileProblem.In(File, $"the piece '{piece.Text}' has the score {piece.Score}, expected a finite number.");
            if (piece.Type is SentencePieceType.Normal or SentencePieceType.UserDefined && piece.Text.Length == 0)
                throw FileProblem.In(File, "a piece is empty. The file is damaged.");
            if (piece.Type == SentencePieceType.Normal) pieces.Add((piece.Text, piece.Score));
            if (piece.Type == SentencePieceType.UserDefined) userDefined.Add(piece.Text);
        }
        if (pieces.Count == 0) throw FileProblem.In(File, "no piece stands for text. The file is damaged or incomplete.");
        if (ByteFallback && vocabulary.ByteTokenIds().Contains(-1))
            throw FileProblem.In(File, "byte fallback needs the pieces <0x00> to <0xFF>, not all are there.");
        return Algorithm switch
        {
            SentencePieceAlgorithm.Bpe => new SentencePieceBpeModel(vocabulary, pieces, userDefined, unknownId, ByteFallback),
            SentencePieceAlgorithm.Unigram when userDefined.Count == 0 => new UnigramModel(vocabulary, pieces, unknownId, ByteFallback),
            SentencePieceAlgorithm.Unigram =>
                throw FileProblem.In(File, $"the user-defined piece '{userDefined[0]}' in a Unigram model is not implemented."),
            _ => throw FileProblem.In(File, $"the model type {Algorithm} is not implemented. Implemented are Unigram and Bpe."),
        };
    }
}

/// <summary>
/// SentencePiece's own normalization. The longest rule at each position is applied; then, if the model asks for it, spaces are gathered and
/// trimmed, one is put in front, and all become visible characters.
/// </summary>
internal sealed class SentencePieceStage(SentencePieceModel model, bool prefixEveryPart, TextStage next) : TextStage
{
    private const char VisibleSpace = '\u2581';

    public override void Process(ReadOnlySpan<char> text, int atStart, IdSink ids)
    {
        string mapped = model.CharacterMap is null ? text.ToString() : ApplyMap(text, model.CharacterMap);
        if (model.RemoveExtraSpaces) mapped = string.Join(' ', mapped.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        if (mapped.Length == 0) return;
        if (model.AddDummyPrefix && (prefixEveryPart || atStart > 0)) mapped = ' ' + mapped;
        if (model.EscapeSpaces) mapped = mapped.Replace(' ', VisibleSpace);
        // From here on, a U+2581 in the user's text counts as a space.
        if (model.RemoveExtraSpaces) mapped = mapped.TrimEnd(model.EscapeSpaces ? VisibleSpace : ' ');
        if (mapped.Length > 0) next.Process(mapped, atStart, ids);
    }

    private static string ApplyMap(ReadOnlySpan<char> text, PrecompiledCharacterMap map)
    {
        byte[] source = new byte[Encoding.UTF8.GetByteCount(text)];
        Encoding.UTF8.GetBytes(text, source);
        using MemoryStream mapped = new(source.Length);
        for (int position = 0; position < source.Length;)
        {
            ReadOnlySpan<byte> rest = source.AsSpan(position);
            if (!map.TryMatch(rest, longest: true, out int length, out ReadOnlySpan<byte> replacement))
            {
                Rune.DecodeFromUtf8(rest, out _, out length);
                replacement = rest[..length];
            }
            mapped.Write(replacement);
            position += length;
        }
        return Encoding.UTF8.GetString(mapped.GetBuffer().AsSpan(0, (int)mapped.Length));
    }
}
