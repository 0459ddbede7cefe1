using System.Globalization;
using System.Text.Json.Nodes;
using LlmEmbed.Files;

namespace LlmEmbed.Checkpoints;

/// <summary>
/// What a GGUF file says about its model: the keys of its architecture and the shapes of its tensors. It remembers which keys were read.
/// </summary>
internal sealed class GgufMetadata(GgufFile file, string architecture)
{
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);

    public int Heads => Size("attention.head_count");

    public int KeyValueHeads => SizeOrNull("attention.head_count_kv") ?? Heads;

    /// <summary>Channels of a head, all of which are turned where positions are rotary.</summary>
    public int HeadSize
    {
        get
        {
            int? keyLength = SizeOrNull("attention.key_length");
            int hiddenSize = Size("embedding_length");
            if (keyLength is null && hiddenSize % Heads != 0)
                throw Wrong($"'{Full("embedding_length")}' is {hiddenSize}, no multiple of the {Heads} heads.");
            int headSize = keyLength ?? hiddenSize / Heads;
            foreach (string key in (string[])["attention.value_length", "rope.dimension_count"])
                if (SizeOrNull(key) is { } size && size != headSize)
                    throw Wrong($"'{Full(key)}' is {size}, expected the head size {headSize}: other sizes are not implemented.");
            return headSize;
        }
    }

    /// <summary>The heads of a model whose heads share the hidden size among them and have keys of their own.</summary>
    public int PlainHeads()
    {
        if (KeyValueHeads != Heads)
            throw Wrong($"'{Full("attention.head_count_kv")}' is {KeyValueHeads}, expected the number of heads, {Heads}: no other is implemented.");
        if (HeadSize != Size("embedding_length") / Heads)
            throw Wrong($"'{Full("attention.key_length")}' is {HeadSize}, expected '{Full("embedding_length")}' divided by the {Heads} heads.");
        return Heads;
    }

    public bool Has(string tensor) => file.Tensors.ContainsKey(tensor);

    /// <summary>The rows of a matrix.</summary>
    public long Rows(string tensor) => file.Tensors.GetValueOrDefault(tensor)?.Dimensions[^1] ?? throw Wrong($"the tensor '{tensor}' is missing.");

    /// <summary>The token that stands for padding; null if the file names none.</summary>
    public int? PadId() => WholeNumber("tokenizer.ggml.padding_token_id", least: 0);

    /// <summary>Rotary scaling of the types none and linear. The key of any other type stays unread and is so refused.</summary>
    public JsonObject? RopeScaling()
    {
        const string TypeKey = "rope.scaling.type";
        string type = file.Metadata.GetValueOrDefault(Full(TypeKey)) as string ?? "linear"; // llama.cpp's value if the key is absent
        if (type is not ("none" or "linear")) return null;
        _read.Add(Full(TypeKey));
        double factor = NumberOrNull("rope.scaling.factor") ?? NumberOrNull("rope.scale_linear") ?? 1;
        return type == "none" || factor is 0 or 1 ? null : new JsonObject { ["rope_type"] = type, ["factor"] = factor };
    }

    public int Size(string key) => SizeOrNull(key) ?? throw Missing(key);

    public int? SizeOrNull(string key) => WholeNumber(Read(key), least: 1);

    /// <summary>A size for which 0 stands for none.</summary>
    public int? SizeOrNone(string key) => WholeNumber(Read(key), least: 0) is int size and > 0 ? size : null;

    public double Number(string key) => NumberOrNull(key) ?? throw Missing(key);

    /// <summary>A number by its shortest decimal, so that the fp32 nearest to 1e-5 becomes 1e-5 again, as it stands in a config.json.</summary>
    public double? NumberOrNull(string key) => file.Metadata.GetValueOrDefault(Read(key)) switch
    {
        null => null,
        float value when float.IsFinite(value) => double.Parse(value.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture),
        double value when double.IsFinite(value) => value,
        var other => throw Wrong($"'{Full(key)}' is {other}, expected a finite number."),
    };

    public bool? FlagOrNull(string key) => file.Metadata.GetValueOrDefault(Read(key)) switch
    {
        null => null,
        bool value => value,
        var other => throw Wrong($"'{Full(key)}' is {other}, expected true or false."),
    };

    /// <summary>A whole number, by the whole name of its key.</summary>
    public int? WholeNumber(string fullKey, int least) => file.Metadata.GetValueOrDefault(fullKey) switch
    {
        null => null,
        object value and (byte or sbyte or ushort or short or uint or int or long or ulong)
            when Convert.ToDecimal(value, CultureInfo.InvariantCulture) is var number && number >= least && number <= int.MaxValue => (int)number,
        var other => throw Wrong($"'{fullKey}' is {other}, expected a whole number from {least} to {int.MaxValue}."),
    };

    /// <summary>
    /// The keys of the architecture that nobody read, by their whole names. Switches that are off and counts of zero (such as the experts of a model
    /// without experts) change nothing and are left out.
    /// </summary>
    /// <param name="harmless">Keys that change nothing whatever their value.</param>
    /// <param name="isCausal">The value that "attention.causal" has if it is absent.</param>
    public IEnumerable<(string Key, string Value)> Unread(IEnumerable<string> harmless, bool isCausal)
    {
        HashSet<string> passed = [.. harmless.Select(Full), .. _read];
        foreach ((string key, object value) in file.Metadata)
        {
            if (!key.StartsWith(Full(""), StringComparison.Ordinal) || passed.Contains(key)) continue;
            if (value is Array or string) yield return (key, value as string ?? $"array of {((Array)value).Length}");
            else if (key == Full("attention.causal") ? !value.Equals(isCausal) : Convert.ToDouble(value, CultureInfo.InvariantCulture) != 0)
                yield return (key, Convert.ToString(value, CultureInfo.InvariantCulture)!);
        }
    }

    private string Full(string key) => $"{architecture}.{key}";

    private string Read(string key)
    {
        _read.Add(Full(key));
        return Full(key);
    }

    private LlmEmbedException Missing(string key) => Wrong($"the metadata key '{Full(key)}' is missing.");

    private LlmEmbedException Wrong(string problem) => FileProblem.In(file.Path, problem);
}
