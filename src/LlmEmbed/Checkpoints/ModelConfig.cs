using System.Text.Json;
using System.Text.Json.Nodes;
using LlmEmbed.Files;

namespace LlmEmbed.Checkpoints;

/// <summary>
/// The configuration of a checkpoint under Hugging Face's names. Each architecture reads the keys whose mathematics it implements and then calls
/// <see cref="RefuseUnread"/>, which refuses every other key by name, unless it is known to be harmless: nothing is guessed.
/// </summary>
internal sealed class ModelConfig
{
    /// <summary>Keys that say how a model was trained, stored or is decoded, and do not change its hidden states.</summary>
    private static readonly string[] Harmless =
    [
        "_attn_implementation_autoset", "_commit_hash", "_name_or_path", "architectures", "attention_dropout", "attention_probs_dropout_prob",
        "auto_map", "bos_token_id", "cache_implementation", "classifier_dropout", "cls_token_id", "decoder_start_token_id", "do_sample", "dropout",
        "dtype", "embd_pdrop", "eos_token_id", "finetuning_task", "gradient_checkpointing", "hidden_dropout_prob", "id2label", "initializer_range",
        "is_llama_config", "keys_to_ignore_at_inference", "label2id", "mask_token_id", "max_window_layers", "model_type", "name_or_path",
        "output_attentions", "output_hidden_states", "output_past", "pad_token_id", "pretraining_tp", "problem_type", "qa_dropout", "resid_pdrop",
        "return_dict", "sep_token_id", "seq_classif_dropout", "tie_word_embeddings", "tokenizer_class", "tokenizer_model_max_length",
        "tokenizer_padding_side", "torch_dtype", "transformers.js_config", "transformers_version", "unk_token_id", "unsloth_fixed", "unsloth_version",
        "use_cache", "vocab_size",
    ];

    private readonly JsonSection _section;

    /// <param name="section">The values under Hugging Face's names.</param>
    public ModelConfig(JsonSection section)
        : this(section, section.Text("model_type"))
    {
    }

    /// <param name="source">The file that the values come from, for messages.</param>
    /// <param name="values">The values under Hugging Face's names.</param>
    public ModelConfig(string source, JsonObject values)
        : this(JsonSection.Of(source, values))
    {
    }

    private ModelConfig(JsonSection section, string modelType) => (_section, ModelType) = (section, modelType);

    /// <summary>The file that the values come from.</summary>
    public string Source => _section.File;

    /// <summary>Hugging Face's <c>model_type</c>, for example <c>llama</c>.</summary>
    public string ModelType { get; }

    public bool Has(string key) => _section.Has(key);

    /// <summary>Whether the key is there with the value null, which is not the same as its default.</summary>
    public bool IsNull(string key) => _section.IsNull(key);

    public string Text(string key) => _section.Text(key);

    public string Text(string key, string fallback) => _section.TextOrNull(key) ?? fallback;

    public int Int(string key) => _section.Int(key);

    public int Int(string key, int fallback) => _section.IntOrNull(key) ?? fallback;

    public int? IntOrNull(string key) => _section.IntOrNull(key);

    public double Number(string key) => _section.Number(key);

    public double Number(string key, double fallback) => _section.NumberOrNull(key) ?? fallback;

    public bool Flag(string key, bool fallback) => _section.Flag(key, fallback);

    /// <summary>A whole number that must be at least 1, as sizes are.</summary>
    public int Size(string key) => Positive(key, Int(key));

    /// <inheritdoc cref="Size(string)"/>
    public int Size(string key, int fallback) => Positive(key, Int(key, fallback));

    /// <summary>Refuses a size that is no multiple of another.</summary>
    public void RequireMultiple(string key, string divisorKey)
    {
        (int size, int divisor) = (Size(key), Size(divisorKey));
        if (size % divisor != 0) throw _section.Error($"'{key}' is {size}, expected a multiple of '{divisorKey}', which is {divisor}.");
    }

    /// <summary>A nested object as a configuration of its own, or null if it is absent or null.</summary>
    public ModelConfig? Section(string key) => _section.SectionOrNull(key) is JsonSection section ? new ModelConfig(section, ModelType) : null;

    /// <summary>The strings of an array, or null if it is absent or null.</summary>
    public IReadOnlyList<string>? Texts(string key) => _section.TextsOrNull(key);

    /// <summary>
    /// Refuses every value of <paramref name="key"/> but those whose mathematics is implemented. A key that is absent or null passes.
    /// </summary>
    public void Require(string key, params ReadOnlySpan<string> implemented)
    {
        if (_section.Find(key) is not JsonElement value) return;
        string found = value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();
        foreach (string one in implemented)
            if (string.Equals(one, found, StringComparison.Ordinal)) return;
        throw _section.Wrong(key, value, string.Join(" or ", implemented.ToArray()) + " (nothing else is implemented)");
    }

    /// <summary>Refuses keys that nobody read, unless they are known to be harmless or switch something off.</summary>
    public void RefuseUnread()
    {
        if (_section.Ignore(Harmless).FirstUnread() is not string unread) return;
        throw _section.Error(
            $"the key {unread} is not known for model_type '{ModelType}' and may change the hidden states. " +
            "This architecture variant is not implemented; if the key is harmless, remove it from the file.");
    }

    private int Positive(string key, int value) =>
        value >= 1 ? value : throw _section.Error($"'{_section.Place(key)}' is {value}, expected at least 1.");
}
