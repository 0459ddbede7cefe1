using System.Globalization;
using System.Numerics.Tensors;
using System.Text.Json.Nodes;
using LlmEmbed.Files;

namespace LlmEmbed.Checkpoints;

/// <summary>
/// Opens a GGUF file under Hugging Face's names: its metadata as a config.json, its tensors as weights, as the row of its architecture says
/// (<see cref="GgufArchitecture"/>). Keys that are not understood keep their own names, so that the configuration refuses them. Tensors that are not
/// understood are refused here.
/// </summary>
internal sealed class GgufCheckpoint
{
    public const string Extension = ".gguf";

    /// <summary>Keys that llama.cpp writes and that change the hidden states of no architecture.</summary>
    private static readonly string[] Harmless =
    [
        "vocab_size", "pooling_type", "tensor_data_layout", "rope.scaling.original_context_length", "rope.scaling.finetuned",
    ];

    /// <summary>llama.cpp's poolings by their numbers, as sentence-transformers names them; null for none.</summary>
    private static readonly string?[] PoolingModes = [null, "mean", "cls", "lasttoken"];

    private static readonly string[] DenseLayers = ["dense_2.weight", "dense_3.weight"];

    private readonly GgufFile _file;
    private readonly GgufArchitecture _architecture;
    private readonly GgufMetadata _metadata;
    private readonly int _blockCount;

    private GgufCheckpoint(GgufFile file)
    {
        _file = file;
        _architecture = ArchitectureOf(file);
        _metadata = new GgufMetadata(file, _architecture.Name);
        JsonObject config = JsonNode.Parse(_architecture.Known)!.AsObject();
        foreach (GgufEntry entry in _architecture.Entries)
            if (entry.Value(_metadata) is { } value) config[entry.ConfigKey] = value;
        foreach ((string key, string value) in _metadata.Unread([.. Harmless, .. _architecture.Ignored], _architecture.IsCausal)) config[key] = value;
        Config = new ModelConfig(file.Path, config);
        _blockCount = _metadata.Size("block_count");
    }

    private ModelConfig Config { get; }

    public static CheckpointContent Read(string path)
    {
        GgufFile file = GgufFile.Open(path);
        return Disposal.OnFailure([file], () =>
        {
            GgufCheckpoint translation = new(file);
            IEnumerable<IGrouping<string, GgufTensor>> types = file.Tensors.Values.GroupBy(tensor => tensor.Format.Name);
            Dictionary<string, Weight> weights =
                file.Tensors.Values.Select(translation.ToWeight).ToDictionary(weight => weight.Name, StringComparer.Ordinal);
            return new CheckpointContent([file])
            {
                Config = translation.Config,
                Files = [path],
                Weights = weights,
                Pooling = translation.PoolingWith(weights),
                Format = $"GGUF v{file.Version}, {types.MaxBy(type => type.Sum(tensor => tensor.ByteLength))!.Key}",
            };
        });
    }

    private StoredPooling? PoolingWith(Dictionary<string, Weight> weights)
    {
        string key = $"{_architecture.Name}.pooling_type";
        if (_metadata.WholeNumber(key, least: 0) is not int number) return null;
        if (number >= PoolingModes.Length) throw Wrong($"'{key}' is {number}, expected 0 to 3: none, mean, CLS or last token.");
        if (PoolingModes[number] is not string mode) return null;
        return new StoredPooling(mode, [.. DenseLayers.Where(weights.ContainsKey).Select(name => weights[name])]);
    }

    private static GgufArchitecture ArchitectureOf(GgufFile file)
    {
        string known = string.Join(", ", GgufArchitecture.All.Select(row => row.Name));
        GgufMetadata general = new(file, "general");
        if (file.Metadata.GetValueOrDefault("general.type") is string type && type != "model")
            throw FileProblem.In(file.Path, $"the file is of the type '{type}', expected a whole model.");
        if (general.WholeNumber("split.count", least: 1) is > 1 and var parts)
        {
            throw FileProblem.In(
                file.Path,
                $"the file is one of {parts} parts of a split model, expected a whole model. Merge them with llama.cpp's llama-gguf-split --merge.");
        }
        if (file.Metadata.GetValueOrDefault("general.architecture") is not string name)
            throw FileProblem.In(file.Path, $"the metadata key 'general.architecture' is missing, expected one of {known}.");
        return GgufArchitecture.All.FirstOrDefault(row => row.Name == name)
            ?? throw FileProblem.In(file.Path, $"the architecture '{name}' is not implemented for GGUF, expected one of {known}.");
    }

    /// <summary>A tensor as a weight with the name, shape, order of rows and values that Hugging Face gives it.</summary>
    private Weight ToWeight(GgufTensor tensor)
    {
        string name = Translate(tensor.Name);
        long[] shape = [.. tensor.Dimensions.Reverse()];
        bool isShifted = _architecture.AddedToNorms != 0 && tensor.Name.EndsWith("norm.weight", StringComparison.Ordinal);
        NumberFormat format = isShifted ? Less(tensor.Format, _architecture.AddedToNorms) : tensor.Format;
        return new Weight(_file.File, tensor.Offset, name, format, shape, InterleavedHead(tensor.Name, shape));
    }

    /// <summary>The same format, whose values are read less what the file has added to them.</summary>
    private static NumberFormat Less(NumberFormat format, float added) => format with
    {
        Widen = (stored, values) =>
        {
            format.Widen(stored, values);
            TensorPrimitives.Subtract(values, added, values);
        },
    };

    private string Translate(string name)
    {
        string[] parts = name.Split('.');
        string? number = parts is ["blk", var second, ..] ? second : null;
        if (number is not null) parts[1] = IsBlock(number) ? "N" : "";
        if (_architecture.Tensors.TryGetValue(string.Join('.', parts), out string? translated))
            return number is null ? translated : translated.Replace(".N.", $".{number}.", StringComparison.Ordinal);
        throw Wrong(
            $"the tensor '{name}' is not known for the architecture '{_architecture.Name}' with {_blockCount} blocks and may change the hidden " +
            "states. This variant is not implemented.");
    }

    private bool IsBlock(string number) =>
        int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int block) && block < _blockCount;

    /// <summary>
    /// The size of a head, if the outputs of this tensor are stored in interleaved rotary order, as queries and keys of the architecture llama are;
    /// else 0.
    /// </summary>
    private int InterleavedHead(string name, long[] shape)
    {
        if (!_architecture.InterleavesHeads || !name.StartsWith("blk.", StringComparison.Ordinal)) return 0;
        int heads = name.Split('.')[2] switch
        {
            "attn_q" => _metadata.Heads,
            "attn_k" => _metadata.KeyValueHeads,
            _ => 0,
        };
        if (heads == 0) return 0;
        int headSize = _metadata.HeadSize;
        if (headSize % 2 != 0) throw Wrong($"the heads have {headSize} values, expected an even number for the rotation.");
        if (shape[0] != (long)heads * headSize) throw Wrong($"the tensor '{name}' has {shape[0]} outputs, expected {heads} heads of {headSize}.");
        return headSize;
    }

    private LlmEmbedException Wrong(string problem) => FileProblem.In(_file.Path, problem);
}
