using LlmEmbed.Files;

namespace LlmEmbed.Checkpoints;

/// <summary>A format in which a checkpoint lies on disk. A new format is one row of <see cref="All"/> and one file that reads it.</summary>
/// <param name="IsAt">Whether a path holds a checkpoint of this format.</param>
/// <param name="Read">Opens the checkpoint that lies at a path.</param>
internal sealed record CheckpointFormat(Func<string, bool> IsAt, Func<string, CheckpointContent> Read)
{
    private static readonly CheckpointFormat[] All =
    [
        new(path => Path.GetExtension(path).Equals(GgufCheckpoint.Extension, StringComparison.OrdinalIgnoreCase), GgufCheckpoint.Read),
        new(path => File.Exists(Path.Combine(path, SafetensorsCheckpoint.ConfigFile)), SafetensorsCheckpoint.Read),
    ];

    /// <summary>The format of the checkpoint at a path.</summary>
    /// <exception cref="LlmEmbedException">No checkpoint of a known format is there.</exception>
    public static CheckpointFormat Of(string path) => All.FirstOrDefault(format => format.IsAt(path)) ?? throw NoCheckpoint(path);

    /// <summary>The path itself, or the one .gguf file of a folder that holds no other weights.</summary>
    /// <exception cref="LlmEmbedException">The folder holds several .gguf files and no config.json.</exception>
    public static string FileOrFolder(string path)
    {
        if (!Directory.Exists(path) || SafetensorsCheckpoint.HasWeights(path)) return path;
        string[] files = Directory.GetFiles(path, "*" + GgufCheckpoint.Extension);
        if (files.Length > 1 && File.Exists(Path.Combine(path, SafetensorsCheckpoint.ConfigFile))) return path; // for its tokenizer
        if (files.Length > 1) throw FileProblem.In(path, $"the folder holds {files.Length} GGUF files. Name one of them.");
        return files.SingleOrDefault(path);
    }

    private static LlmEmbedException NoCheckpoint(string path)
    {
        if (!Directory.Exists(path))
        {
            return FileProblem.In(
                path, "there is no such checkpoint, expected a folder with config.json and model.safetensors, or a .gguf file.");
        }
        return FileProblem.In(
            Path.Combine(path, SafetensorsCheckpoint.ConfigFile),
            "there is no such file, expected a folder as on the Hugging Face hub (config.json, model.safetensors, tokenizer.json) or a .gguf file.");
    }
}

/// <summary>What the files of a checkpoint hold, whatever their format.</summary>
internal sealed class CheckpointContent(IReadOnlyList<IDisposable> openFiles) : IDisposable
{
    /// <summary>The format for people, for example <c>safetensors</c> or <c>GGUF v3, Q4_1</c>.</summary>
    public required string Format { get; init; }

    /// <summary>The configuration under Hugging Face's keys.</summary>
    public required ModelConfig Config { get; init; }

    /// <summary>Every file that decides the hidden states, in a stable order.</summary>
    public required IReadOnlyList<string> Files { get; init; }

    /// <summary>The weights by the names that Hugging Face gives them.</summary>
    public required IReadOnlyDictionary<string, Weight> Weights { get; init; }

    /// <summary>Tensors that are no floating-point numbers, by name, with their types.</summary>
    public IReadOnlyDictionary<string, string> OtherTensors { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>How the file means its texts to become vectors; null if it does not say.</summary>
    public StoredPooling? Pooling { get; init; }

    public void Dispose() => Disposal.All(openFiles);
}

/// <summary>How a GGUF file means its texts to become vectors: a pooling of the last hidden states, then linear layers.</summary>
/// <param name="Mode">The pooling as sentence-transformers names it: mean, cls or lasttoken.</param>
/// <param name="Dense">The weights [out,in] of the layers in their order. They have no biases, and nothing stands between them.</param>
internal sealed record StoredPooling(string Mode, IReadOnlyList<Weight> Dense);
