namespace LlmEmbed.Tests.Tokenization;

/// <summary>A temporary folder with tokenizer files.</summary>
internal sealed class TokenizerFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("llmembed-tokenizer-").FullName;

    /// <summary>A fixture's configuration and the named files.</summary>
    public static TokenizerFolder WithoutTokenizerJson(string fixture, params string[] files)
    {
        TokenizerFolder folder = new();
        foreach (string file in files.Append("tokenizer_config.json").Append("special_tokens_map.json"))
            File.Copy(Repository.Fixture(fixture, file), System.IO.Path.Combine(folder.Path, file));
        return folder;
    }

    /// <summary>Writes a file and returns its path.</summary>
    public string Write(string name, string content)
    {
        string file = System.IO.Path.Combine(Path, name);
        File.WriteAllText(file, content);
        return file;
    }

    /// <summary>Writes a file and returns its path.</summary>
    public string Write(string name, byte[] content)
    {
        string file = System.IO.Path.Combine(Path, name);
        File.WriteAllBytes(file, content);
        return file;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
