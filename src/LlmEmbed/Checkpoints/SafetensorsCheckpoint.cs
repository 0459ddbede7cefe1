using System.Text.Json;
using LlmEmbed.Files;

namespace LlmEmbed.Checkpoints;

/// <summary>
/// Opens a folder as on the Hugging Face hub: config.json beside weights in one safetensors file, or in several files (shards) with an index.
/// </summary>
internal static class SafetensorsCheckpoint
{
    public const string ConfigFile = "config.json";

    private const string IndexFile = "model.safetensors.index.json";

    /// <summary>How weights may lie in the folder, by the file that tells it. The first file that is there is read.</summary>
    private static readonly (string File, Func<string, List<SafetensorsFile>, WeightFiles> Read)[] Layouts =
    [
        ("model.safetensors", ReadSingleFile),
        (IndexFile, ReadShards),
    ];

    /// <summary>Whether the weights of a folder lie as this format has them.</summary>
    public static bool HasWeights(string folder) => Array.Exists(Layouts, layout => File.Exists(Path.Combine(folder, layout.File)));

    public static CheckpointContent Read(string folder)
    {
        ModelConfig config = new(JsonSection.Open(Path.Combine(folder, ConfigFile)));
        (string file, Func<string, List<SafetensorsFile>, WeightFiles> read) =
            Layouts.FirstOrDefault(layout => File.Exists(Path.Combine(folder, layout.File)));
        if (read is null) throw NoWeights(folder);
        List<SafetensorsFile> open = [];
        return Disposal.OnFailure(open, () =>
        {
            WeightFiles weights = read(Path.Combine(folder, file), open);
            ILookup<bool, SafetensorsTensor> byKind = weights.Tensors.ToLookup(tensor => tensor.Format is not null);
            return new CheckpointContent(open)
            {
                Format = "safetensors",
                Config = config,
                Files = [config.Source, .. weights.Files],
                Weights = byKind[true].ToDictionary(tensor => tensor.Name, Weight.Of, StringComparer.Ordinal),
                OtherTensors = byKind[false].ToDictionary(tensor => tensor.Name, tensor => tensor.DType, StringComparer.Ordinal),
            };
        });
    }

    private static WeightFiles ReadSingleFile(string path, List<SafetensorsFile> open)
    {
        open.Add(SafetensorsFile.Open(path));
        return new WeightFiles([path], [.. open[0].Tensors.Values]);
    }

    private static WeightFiles ReadShards(string indexPath, List<SafetensorsFile> open)
    {
        string folder = Path.GetDirectoryName(indexPath)!;
        JsonSection fileOfTensor = JsonSection.Open(indexPath).Section("weight_map");
        SafetensorsTensor[] tensors =
            [.. fileOfTensor.Keys.Select(name => FindTensor(name, Path.Combine(folder, ShardName(fileOfTensor, name)), open))];
        return new WeightFiles([indexPath, .. open.Select(shard => shard.Path).Order(StringComparer.Ordinal)], tensors);
    }

    /// <summary>
    /// The file that holds a tensor. It lies beside the index; a name that leads elsewhere is refused, because the index may come from anyone.
    /// </summary>
    private static string ShardName(JsonSection fileOfTensor, string tensor)
    {
        string name = fileOfTensor.KindOf(tensor) == JsonValueKind.String ? fileOfTensor.Text(tensor) : "";
        if (name.Length == 0 || name is "." or ".." || name.AsSpan().IndexOfAny('/', '\\', '\0') >= 0)
            throw fileOfTensor.Error($"the tensor '{tensor}' is said to be in '{name}', expected the name of a file in the same folder.");
        return name;
    }

    private static SafetensorsTensor FindTensor(string name, string path, List<SafetensorsFile> open)
    {
        SafetensorsFile? shard = open.Find(file => file.Path == path);
        if (shard is null) open.Add(shard = SafetensorsFile.Open(path));
        return shard.Tensors.GetValueOrDefault(name)
            ?? throw FileProblem.In(path, $"the tensor '{name}' is missing, though {IndexFile} says that it is in this file.");
    }

    private static LlmEmbedException NoWeights(string folder)
    {
        string expected = string.Join(" or ", Layouts.Select(layout => layout.File));
        string found = string.Join(", ", Directory.EnumerateFiles(folder).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal));
        string advice = File.Exists(Path.Combine(folder, "pytorch_model.bin"))
            ? " pytorch_model.bin is a pickle, which can run code when it is opened and is not read; " +
                "convert it to safetensors with save_pretrained of Hugging Face transformers."
            : "";
        return FileProblem.In(folder, $"expected {expected} in the folder, found {found}.{advice}");
    }

    /// <summary>The files that hold weights, and all tensors in them.</summary>
    private sealed record WeightFiles(IReadOnlyList<string> Files, IReadOnlyList<SafetensorsTensor> Tensors);
}
