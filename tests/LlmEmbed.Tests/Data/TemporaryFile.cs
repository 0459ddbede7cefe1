namespace LlmEmbed.Tests.Data;

/// <summary>A file in a folder of its own, gone with the test.</summary>
internal sealed class TemporaryFile : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("llmembed-").FullName;

    public TemporaryFile(string name, string? content = null)
    {
        Path = System.IO.Path.Combine(_folder, name);
        if (content is not null) File.WriteAllText(Path, content);
    }

    public string Path { get; }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
