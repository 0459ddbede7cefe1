using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LlmEmbed.Checkpoints;

/// <summary>
/// The configuration of a checkpoint under Hugging Face's names. Each architecture reads the keys whose mathematics it implements and then calls
/// <see cref="RefuseUnread"/>: a key that nobody read and that is not known to be harmless stops the load by name, so nothing is guessed.
/// </summary>
internal sealed class ModelConfig
{
    /// <summary>Keys that say how a model was trained, stored or is decoded, and do not change its hidden states.</summary>
    private static readonly HashSet<string> Harmless = new(StringComparer.Ordinal)
    {
        "_name_or_path", "_attn_implementation_autoset", "_commit_hash", "architectures", "auto_map", "attention_dropout", "attention_probs_dropout_prob", "bos_token_id", "cache_implementation",
        "classifier_dropout", "cls_token_id", "decoder_start_token_id", "do_sample", "dropout", "dtype", "embd_pdrop", "eos_token_id", "finetuning_task", "gradient_checkpointing",
        "hidden_dropout_prob", "id2label", "initializer_range", "is_llama_config", "keys_to_ignore_at_inference", "label2id", "max_window_layers", "model_type", "name_or_path",
        "output_attentions", "output_hidden_states", "output_past", "pad_token_id", "pretraining_tp", "problem_type", "qa_dropout", "resid_pdrop",
        "sep_token_id", "seq_classif_dropout", "tie_word_embeddings", "tokenizer_class", "torch_dtype", "transformers.js_config", "transformers_version",
        "unk_token_id", "use_cache", "vocab_size", "mask_token_id", "return_dict", "tokenizer_model_max_length", "tokenizer_padding_side", "unsloth_version", "unsloth_fixed",
    };

    private readonly JsonObject _values;
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);

    /// <param name="source">The file the values come from, for messages.</param>
    /// <param name="values">The values under Hugging Face's names.</param>
    public ModelConfig(string source, JsonObject values)
    {
        Source = source;
        _values = values;
        ModelType = Text("model_type");
    }

    public string Source { get; }

    /// <summary>Hugging Face's <c>model_type</c>, e.g. <c>llama</c>.</summary>
    public string ModelType { get; }

    public bool Has(string key) => Node(key) is not null;

    /// <summary>Whether the key stands there with the value null, which is not the same as its default.</summary>
    public bool IsNull(string key) => _values.ContainsKey(key) && Node(key) is null;

    public string Text(string key) => Read<string>(key) ?? throw Missing(key, "a string");

    public string Text(string key, string fallback) => Read<string>(key) ?? fallback;

    public int Int(string key) => Read<int?>(key) ?? throw Missing(key, "a whole number");

    public int Int(string key, int fallback) => Read<int?>(key) ?? fallback;

    public int? IntOrNull(string key) => Read<int?>(key);

    public double Number(string key) => Read<double?>(key) ?? throw Missing(key, "a number");

    public double Number(string key, double fallback) => Read<double?>(key) ?? fallback;

    public bool Flag(string key, bool fallback) => Read<bool?>(key) ?? fallback;

    /// <summary>A whole number that must be at least 1, as sizes are.</summary>
    public int Size(string key) => Positive(key, Int(key));

    /// <inheritdoc cref="Size(string)"/>
    public int Size(string key, int fallback) => Positive(key, Int(key, fallback));

    /// <summary>Refuses a size that is no multiple of another.</summary>
    public void RequireMultiple(string key, string divisorKey)
    {
        (int size, int divisor) = (Size(key), Size(divisorKey));
        if (size % divisor != 0)
            throw new LlmEmbedException($"{Source}: '{key}' is {size}, expected a multiple of '{divisorKey}', which is {divisor}.") { FilePath = Source };
    }

    /// <summary>A nested object as a configuration of its own, null where it is absent or null.</summary>
    public ModelConfig? Section(string key)
    {
        if (Node(key) is not JsonNode node) return null;
        if (node is not JsonObject section) throw Wrong(key, node, "an object");
        return new ModelConfig($"{Source}: {key}", section, ModelType);
    }

    /// <summary>The strings of an array, null where it is absent or null.</summary>
    public IReadOnlyList<string>? Texts(string key)
    {
        if (Node(key) is not JsonNode node) return null;
        if (node is not JsonArray array || !array.All(item => item?.GetValueKind() == JsonValueKind.String)) throw Wrong(key, node, "an array of strings");
        return array.Select(item => item!.GetValue<string>()).ToList();
    }

    /// <summary>Refuses every value of <paramref name="key"/> but the ones whose mathematics is implemented; absent and null pass.</summary>
    public void Require(string key, params ReadOnlySpan<string> implemented)
    {
        if (Node(key) is not JsonNode node) return;
        string found = node.GetValueKind() == JsonValueKind.String ? node.GetValue<string>() : node.ToJsonString();
        foreach (string value in implemented)
            if (string.Equals(value, found, StringComparison.Ordinal)) return;
        throw Wrong(key, node, string.Join(" or ", implemented.ToArray()) + " (nothing else is implemented)");
    }

    /// <summary>Refuses keys that nobody read, are not known to be harmless and are switched on (neither null nor false nor empty).</summary>
    public void RefuseUnread()
    {
        foreach ((string key, JsonNode? node) in _values)
        {
            if (_read.Contains(key) || Harmless.Contains(key) || IsOff(node)) continue;
            throw new LlmEmbedException(
                $"{Source}: the key '{key}' ({Shorten(node!)}) is not known for model_type '{ModelType}' and may change the hidden states. " +
                "This architecture variant is not implemented; if the key is harmless, remove it from the file.")
            { FilePath = Source };
        }
    }

    private ModelConfig(string source, JsonObject values, string modelType)
    {
        Source = source;
        _values = values;
        ModelType = modelType;
    }

    private static bool IsOff(JsonNode? node) => node switch
    {
        null => true,
        JsonArray array => array.Count == 0,
        JsonObject section => section.Count == 0,
        _ => node.GetValueKind() == JsonValueKind.False,
    };

    private JsonNode? Node(string key)
    {
        _read.Add(key);
        return _values.TryGetPropertyValue(key, out JsonNode? node) ? node : null;
    }

    private T? Read<T>(string key)
    {
        if (Node(key) is not JsonNode node) return default;
        try
        {
            return node.GetValue<T>();
        }
        catch (Exception exception) when (exception is InvalidOperationException or FormatException)
        {
            throw Wrong(key, node, typeof(T) == typeof(string) ? "a string" : typeof(T) == typeof(bool?) ? "true or false" : "a number");
        }
    }

    private int Positive(string key, int value) =>
        value >= 1 ? value : throw new LlmEmbedException($"{Source}: '{key}' is {value.ToString(CultureInfo.InvariantCulture)}, expected at least 1.") { FilePath = Source };

    private LlmEmbedException Missing(string key, string expected) =>
        new($"{Source}: the key '{key}' is missing, expected {expected}.") { FilePath = Source };

    private LlmEmbedException Wrong(string key, JsonNode node, string expected) =>
        new($"{Source}: '{key}' is {Shorten(node)}, expected {expected}.") { FilePath = Source };

    private static string Shorten(JsonNode node)
    {
        string json = node.ToJsonString();
        return json.Length <= 60 ? json : json[..57] + "...";
    }
}
