using System.Text.Json;
using System.Text.Json.Nodes;
using LlmEmbed.Files;

namespace LlmEmbed.Checkpoints;

/// <summary>The weights and the configuration of a model: a Hugging Face folder or a GGUF file, with Hugging Face's names for both.</summary>
internal sealed class Checkpoint : IDisposable
{
    private const string SingleFile = "model.safetensors";
    private const string IndexFile = "model.safetensors.index.json";
    private const string ConfigFile = "config.json";
    private const string GgufExtension = ".gguf";

    private readonly List<IDisposable> _open;
    private readonly Dictionary<string, Weight> _weights = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _otherTensors = new(StringComparer.Ordinal);

    private Checkpoint(string path, List<IDisposable> open)
    {
        _open = open;
        Path = FileOrFolder(path);
        if (System.IO.Path.GetExtension(Path).Equals(GgufExtension, StringComparison.OrdinalIgnoreCase)) (Format, Config, Files) = OpenGguf();
        else (Format, Config, Files) = OpenFolder();
    }

    /// <summary>The folder or the GGUF file, the latter also where its folder was named.</summary>
    public string Path { get; }

    /// <summary>The format for people: <c>safetensors</c> or <c>GGUF v3, Q4_1</c>.</summary>
    public string Format { get; }

    /// <summary>The configuration under Hugging Face's keys, for GGUF translated from its metadata.</summary>
    public ModelConfig Config { get; }

    /// <summary>The weights by Hugging Face name, as the file writes it. Tensors of whole numbers are no weights.</summary>
    public IReadOnlyDictionary<string, Weight> Weights => _weights;

    /// <summary>Every file that decides the hidden states, in a stable order.</summary>
    public IReadOnlyList<string> Files { get; }

    /// <param name="path">A folder as on the Hugging Face hub, a GGUF file, or a folder with nothing but one GGUF file as a model.</param>
    public static Checkpoint Open(string path)
    {
        List<IDisposable> open = [];
        try
        {
            return new Checkpoint(path, open);
        }
        catch
        {
            open.ForEach(file => file.Dispose());
            throw;
        }
    }

    /// <summary>The weight of this name, whose shape must be the expected one; -1 stands for any size.</summary>
    public Weight Require(string name, params ReadOnlySpan<long> shape)
    {
        if (_otherTensors.TryGetValue(name, out string? dtype))
            throw Wrong(Path, $"the tensor '{name}' is stored as {dtype}, expected a floating-point type that can be widened to fp32.");
        if (!_weights.TryGetValue(name, out Weight? weight))
            throw Wrong(Path, $"the tensor '{name}' of shape {TensorNames.Show(shape.ToArray())} is missing. {TensorNames.Nearest(name, _weights.Keys)}");
        if (!TensorNames.ShapeFits(weight.Shape, shape))
            throw Wrong(Path, $"the tensor '{name}' has the shape {TensorNames.Show(weight.Shape)}, expected {TensorNames.Show(shape.ToArray())} by the configuration.");
        return weight;
    }

    /// <summary>SHA-256 over the SHA-256 of all <see cref="Files"/>, in hexadecimal. Renaming a file or moving the folder does not change it.</summary>
    public string Sha256() => FileHash.OfAll(Files);

    /// <summary>A folder without config.json stands for the one .gguf file in it.</summary>
    public static string FileOrFolder(string path)
    {
        if (!Directory.Exists(path) || File.Exists(System.IO.Path.Combine(path, ConfigFile))) return path;
        string[] files = Directory.GetFiles(path, "*" + GgufExtension);
        return files.Length <= 1 ? files.SingleOrDefault(path) : throw Wrong(path, $"the folder holds {files.Length} GGUF files. Name one of them.");
    }

    public void Dispose() => _open.ForEach(file => file.Dispose());

    private (string Format, ModelConfig Config, IReadOnlyList<string> Files) OpenGguf()
    {
        GgufFile file = GgufFile.Open(Path);
        _open.Add(file);
        GgufTranslation translation = new(file);
        foreach (Weight weight in translation.Weights()) _weights.Add(weight.Name, weight);
        string mainType = file.Tensors.Values.GroupBy(tensor => tensor.Format.Name).MaxBy(group => group.Sum(tensor => tensor.ByteLength))!.Key;
        return ($"GGUF v{file.Version}, {mainType}", translation.Config, [Path]);
    }

    private (string Format, ModelConfig Config, IReadOnlyList<string> Files) OpenFolder()
    {
        if (!Directory.Exists(Path))
            throw Wrong(Path, "there is no such checkpoint, expected a folder with config.json and model.safetensors, or a .gguf file.");
        string configPath = System.IO.Path.Combine(Path, ConfigFile);
        if (!File.Exists(configPath))
            throw Wrong(configPath, "there is no such file, expected a folder as on the Hugging Face hub (config.json, model.safetensors, tokenizer.json) or a .gguf file.");
        ModelConfig config = new(configPath, ReadObject(configPath));
        IReadOnlyList<string> weightFiles = File.Exists(System.IO.Path.Combine(Path, SingleFile)) ? OpenSingleFile() : OpenShards();
        return ("safetensors", config, [configPath, .. weightFiles]);
    }

    private List<string> OpenSingleFile()
    {
        SafetensorsFile file = OpenSafetensors(SingleFile);
        foreach (SafetensorsTensor tensor in file.Tensors.Values) Add(tensor);
        return [file.Path];
    }

    private List<string> OpenShards()
    {
        string indexPath = System.IO.Path.Combine(Path, IndexFile);
        if (!File.Exists(indexPath)) throw NoWeights();
        if (ReadObject(indexPath)["weight_map"] is not JsonObject weightMap)
            throw Wrong(indexPath, "'weight_map' is missing or not an object, expected the file of each tensor.");
        Dictionary<string, SafetensorsFile> shards = new(StringComparer.Ordinal);
        foreach ((string name, JsonNode? node) in weightMap)
        {
            string fileName = ShardName(indexPath, name, node);
            if (!shards.TryGetValue(fileName, out SafetensorsFile? shard)) shards.Add(fileName, shard = OpenSafetensors(fileName));
            if (!shard.Tensors.TryGetValue(name, out SafetensorsTensor? tensor))
                throw Wrong(shard.Path, $"the tensor '{name}' is missing, though {IndexFile} says that it is in this file.");
            Add(tensor);
        }
        return [indexPath, .. shards.Values.Select(shard => shard.Path).Order(StringComparer.Ordinal)];
    }

    /// <summary>A shard lies beside its index; a name that leads elsewhere is refused, as the index may come from anyone.</summary>
    private static string ShardName(string indexPath, string tensor, JsonNode? node)
    {
        string fileName = node?.GetValueKind() == JsonValueKind.String ? node.GetValue<string>() : "";
        if (fileName.Length == 0 || fileName is "." or ".." || fileName.AsSpan().IndexOfAny('/', '\\', '\0') >= 0)
            throw Wrong(indexPath, $"the tensor '{tensor}' is said to be in '{fileName}', expected the name of a file in the same folder.");
        return fileName;
    }

    private SafetensorsFile OpenSafetensors(string fileName)
    {
        SafetensorsFile file = SafetensorsFile.Open(System.IO.Path.Combine(Path, fileName));
        _open.Add(file);
        return file;
    }

    private void Add(SafetensorsTensor tensor)
    {
        if (tensor.Format is null) _otherTensors.Add(tensor.Name, tensor.DType);
        else _weights.Add(tensor.Name, SafetensorsFile.AsWeight(tensor));
    }

    private LlmEmbedException NoWeights()
    {
        string found = string.Join(", ", Directory.EnumerateFiles(Path).Select(file => System.IO.Path.GetFileName(file)).Order(StringComparer.Ordinal));
        string advice = File.Exists(System.IO.Path.Combine(Path, "pytorch_model.bin"))
            ? " pytorch_model.bin is a pickle, which can run code when it is opened and is not read; convert it to safetensors with save_pretrained of Hugging Face transformers."
            : "";
        return Wrong(Path, $"expected {SingleFile} or {IndexFile} in the folder, found {found}.{advice}");
    }

    private static JsonObject ReadObject(string path)
    {
        try
        {
            JsonElement root = StrictJson.Parse(File.ReadAllBytes(path));
            return root.ValueKind == JsonValueKind.Object ? JsonObject.Create(root)! : throw Wrong(path, "the file is not a JSON object.");
        }
        catch (JsonException exception)
        {
            throw Wrong(path, $"the file is not JSON: {StrictJson.Describe(exception)}", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Wrong(path, $"the file cannot be read: {FileProblem.Describe(exception)}", exception);
        }
    }

    private static LlmEmbedException Wrong(string path, string problem, Exception? cause = null) => new($"{path}: {problem}", cause) { FilePath = path };
}
