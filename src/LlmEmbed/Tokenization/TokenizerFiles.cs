using LlmEmbed.Checkpoints;
using LlmEmbed.Files;

namespace LlmEmbed.Tokenization;

/// <summary>Finds out which files a tokenizer lies in and reads them.</summary>
internal static class TokenizerFiles
{
    /// <summary>The first that is there is read: tokenizer.json alone says everything.</summary>
    private static readonly string[] s_names = ["tokenizer.json", "tokenizer.model", "sentencepiece.bpe.model", "vocab.json", "vocab.txt"];

    /// <summary>See <see cref="Tokenizer.Load"/>.</summary>
    public static Tokenizer Load(string path)
    {
        if (!Directory.Exists(path)) return new Tokenizer(ReadFile(path));

        string? file = s_names.Select(name => Path.Combine(path, name)).FirstOrDefault(File.Exists);
        if (file is not null) return new Tokenizer(ReadFile(file));
        throw Error(path, $"no tokenizer in this folder, expected one of {string.Join(", ", s_names)}.");
    }

    public static byte[] ReadBytes(string file) => Read(file, File.ReadAllBytes);

    public static string[] ReadLines(string file) => Read(file, File.ReadAllLines);

    /// <summary>An error that begins with the file.</summary>
    public static LlmEmbedException Error(string file, string message) => new($"{file}: {message}") { FilePath = file };

    private static TokenizerParts ReadFile(string file)
    {
        if (!File.Exists(file)) throw Error(file, "no such file or folder, expected a tokenizer.");
        string name = Path.GetFileName(file);
        return name switch
        {
            "vocab.json" => Gpt2Files.Read(file),
            "vocab.txt" => BertVocabularyFile.Read(file),
            _ when name.EndsWith(".json", StringComparison.Ordinal) => TokenizerJson.Read(file),
            _ when name.EndsWith(".model", StringComparison.Ordinal) => SentencePieceFile.Read(file),
            _ when name.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) => ReadGguf(file),
            _ => throw Error(file, "not a tokenizer file, expected tokenizer.json, tokenizer.model, vocab.json, vocab.txt or a .gguf file."),
        };
    }

    private static TokenizerParts ReadGguf(string file)
    {
        using GgufFile gguf = GgufFile.Open(file);
        return GgufTokenizer.Read(gguf.Metadata, file);
    }

    private static T Read<T>(string file, Func<string, T> read)
    {
        try
        {
            return read(file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new LlmEmbedException($"{file}: cannot be read: {FileProblem.Describe(exception)}", exception) { FilePath = file };
        }
    }
}
