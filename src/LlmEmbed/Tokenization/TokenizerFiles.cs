using System.Text;
using System.Text.Unicode;
using LlmEmbed.Checkpoints;
using LlmEmbed.Files;

namespace LlmEmbed.Tokenization;

/// <summary>A kind of file that holds a tokenizer. A new kind is one row of <see cref="All"/> and one file that reads it.</summary>
/// <param name="Name">The name by which the file is looked for in a folder; null for a kind that is only found by its own path.</param>
/// <param name="Extension">The extension of files that are read in this way whatever their name; null if only the name decides.</param>
/// <param name="Read">Reads a file, and the files beside it that belong to it.</param>
internal sealed record TokenizerFileKind(string? Name, string? Extension, Func<string, TokenizerParts> Read)
{
    /// <summary>In the order in which they are looked for. tokenizer.json comes first, because it alone says everything.</summary>
    public static IReadOnlyList<TokenizerFileKind> All { get; } =
    [
        new("tokenizer.json", ".json", TokenizerJson.Read),
        new("tokenizer.model", ".model", SentencePieceFile.Read),
        new("sentencepiece.bpe.model", null, SentencePieceFile.Read),
        new("spm.model", null, SentencePieceFile.Read),
        new("vocab.json", null, Gpt2Files.Read),
        new("vocab.txt", null, BertVocabularyFile.Read),
        new(null, ".gguf", GgufTokenizer.Read),
    ];

    /// <summary>The kind of a file, by its name or else by its extension; null if it is none of them.</summary>
    public static TokenizerFileKind? Of(string file)
    {
        string name = Path.GetFileName(file), extension = Path.GetExtension(file);
        return All.FirstOrDefault(kind => name == kind.Name)
            ?? All.FirstOrDefault(kind => extension.Equals(kind.Extension, StringComparison.OrdinalIgnoreCase));
    }
}

/// <summary>Finds the file that a tokenizer lies in and reads it.</summary>
internal static class TokenizerFiles
{
    /// <param name="path">A folder or a file.</param>
    /// <exception cref="LlmEmbedException">There is no such file, it is damaged, or it needs something that is not implemented.</exception>
    public static TokenizerParts Read(string path)
    {
        string file = Directory.Exists(path) ? FindIn(path) : path;
        TokenizerFileKind kind = TokenizerFileKind.Of(file)
            ?? throw FileProblem.In(file, "not a tokenizer file, expected tokenizer.json, tokenizer.model, vocab.json, vocab.txt or a .gguf file.");
        TokenizerParts parts = kind.Read(file);
        return Directory.Exists(path) && SentenceFiles.LoweringFile(path) is string asking ? Lowering(parts, asking) : parts;
    }

    /// <summary>The same tokenizer for texts in lower case, which a repository of sentence-transformers may ask for.</summary>
    private static TokenizerParts Lowering(TokenizerParts parts, string asking)
    {
        parts = parts with { SourceFiles = [.. parts.SourceFiles, asking] };
        if (parts.Normalizer is { Lowers: true }) return parts;
        LowercaseNormalizer lower = new();
        return parts with { Normalizer = parts.Normalizer is { } own ? new SequenceNormalizer([lower, own]) : lower };
    }

    /// <summary>
    /// The lines of a UTF-8 file without the mark of its byte order. LF, CR LF and CR end a line, as in Python's text files; an end behind the last
    /// line begins no other.
    /// </summary>
    public static string[] ReadLines(string file)
    {
        ReadOnlySpan<byte> utf8 = FileProblem.ReadBytes(file);
        if (utf8.StartsWith("\uFEFF"u8)) utf8 = utf8[3..];
        if (!Utf8.IsValid(utf8)) throw FileProblem.In(file, "the file is not UTF-8, expected one token on each line. Fetch the file again.");
        List<string> lines = [];
        using StringReader reader = new(Encoding.UTF8.GetString(utf8));
        while (reader.ReadLine() is string line) lines.Add(line);
        return [.. lines];
    }

    private static string FindIn(string folder)
    {
        string[] names = [.. TokenizerFileKind.All.Select(kind => kind.Name).OfType<string>()];
        return names.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists)
            ?? throw FileProblem.In(folder, $"no tokenizer in this folder, expected one of {string.Join(", ", names)}.");
    }
}
