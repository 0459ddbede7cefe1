using System.Text.Json;
using System.Text.Json.Nodes;
using LlmEmbed.Files;

namespace LlmEmbed.Checkpoints;

/// <summary>
/// The configuration of a checkpoint under Hugging Face's names. Each architecture reads the keys whose mathematics it implements and then calls
/// <see cref="RefuseUnread"/>, which decides about every other key by <see cref="ConfigKeys"/>: nothing is guessed.
/// </summary>
internal sealed class ModelConfig
{
    /// <summary>How transformers names the classes of a <c>model_type</c>, for files that name only a class in <c>architectures</c>.</summary>
    private static readonly (string Class, string ModelType)[] Classes =
    [
        ("Albert", "albert"), ("Bert", "bert"), ("DebertaV2", "deberta-v2"), ("DistilBert", "distilbert"), ("Electra", "electra"),
        ("EuroBert", "eurobert"), ("Gemma2", "gemma2"), ("Gemma3", "gemma3_text"), ("Gemma3Text", "gemma3_text"), ("Gemma3", "gemma3"),
        ("GPT2", "gpt2"), ("GPTNeoX", "gpt_neox"), ("Granite", "granite"), ("Llama", "llama"), ("Mistral", "mistral"),
        ("ModernBert", "modernbert"), ("MPNet", "mpnet"), ("New", "new"), ("NomicBert", "nomic_bert"), ("Olmo2", "olmo2"), ("Olmo3", "olmo3"),
        ("Phi3", "phi3"), ("Qwen2", "qwen2"), ("Qwen3", "qwen3"), ("Roberta", "roberta"), ("SmolLM3", "smollm3"), ("StableLm", "stablelm"),
        ("T5", "t5"), ("T5Encoder", "t5"), ("T5With", "t5"), ("XLMRoberta", "xlm-roberta"),
    ];

    private readonly JsonSection _section;
    private readonly Dictionary<string, ModelConfig> _sections = new(StringComparer.Ordinal);
    private readonly List<string> _notes = [];
    private IReadOnlyList<string> _keyNotes = [];

    /// <param name="section">The values under Hugging Face's names.</param>
    /// <exception cref="LlmEmbedException">The file does not say which architecture it is for.</exception>
    public ModelConfig(JsonSection section)
        : this(section, ModelTypeOf(section) ?? throw section.Error(
            "neither 'model_type' nor a known class in 'architectures' says which architecture this is. Add a line such as " +
            "\"model_type\": \"bert\" if you know it; files that were written before 2020 often lack it."))
    {
    }

    /// <param name="source">The file that the values come from, for messages.</param>
    /// <param name="values">The values under Hugging Face's names.</param>
    public ModelConfig(string source, JsonObject values)
        : this(JsonSection.Of(source, values))
    {
    }

    private ModelConfig(JsonSection section, string modelType) => (_section, ModelType) = (section, modelType);

    /// <summary>What a user should know about this configuration, though it can be computed. Each is a sentence that names the file.</summary>
    public IReadOnlyList<string> Notes => [.. _notes, .. _keyNotes];

    /// <summary>The keys that were passed over only because the user accepts them.</summary>
    public IReadOnlyList<string> AcceptedKeys { get; private set; } = [];

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

    /// <summary>
    /// The <c>model_type</c> of a config.json, or else the one whose classes <c>architectures</c> names; null if it says neither.
    /// </summary>
    public static string? ModelTypeOf(JsonSection section) => section.TextOrNull("model_type")
        ?? Classes.FirstOrDefault(row => section.TextsOrNull("architectures")?.Any(name => IsClassOf(row.Class, name)) ?? false).ModelType;

    /// <summary>A nested object as a configuration of its own, or null if it is absent or null.</summary>
    public ModelConfig? Section(string key)
    {
        if (_sections.TryGetValue(key, out ModelConfig? known)) return known;
        return _section.SectionOrNull(key) is JsonSection section ? _sections[key] = new ModelConfig(section, ModelType) : null;
    }

    /// <summary>The strings of an array, or null if it is absent or null.</summary>
    public IReadOnlyList<string>? Texts(string key) => _section.TextsOrNull(key);

    /// <summary>The token of padding; 0 where none is named, since nothing sees padding.</summary>
    public int PadIdOrFirst() => IntOrNull("pad_token_id") is int pad and >= 0 ? pad : 0;

    /// <summary>The whole numbers of an array, or null if it is absent or null.</summary>
    public int[]? Ints(string key) => Has(key) ? _section.Ints(key) : null;

    /// <summary>The numbers of an array, or null if it is absent or null.</summary>
    public float[]? Numbers(string key) => Has(key)
        ? [.. _section.Array(key).EnumerateArray().Select(item => item.ValueKind == JsonValueKind.Number
            ? item.GetSingle()
            : throw _section.Wrong(key, item, "numbers"))]
        : null;

    /// <summary>The strings of an array, or the parts of one string; null if it is absent or null.</summary>
    public IReadOnlyList<string>? Texts(string key, char separator) =>
        _section.KindOf(key) == JsonValueKind.String ? Text(key).Split(separator) : Texts(key);

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

    /// <summary>Says something that a user should know about a value that was read.</summary>
    public void Note(string sentence) => _notes.Add($"{Source}: {sentence}");

    /// <summary>The error for a key whose value an architecture cannot take.</summary>
    public LlmEmbedException Wrong(string key, string problem) => _section.Error($"'{_section.Place(key)}' {problem}");

    /// <summary>Decides about the keys that nobody read, also in nested objects that were read.</summary>
    /// <param name="accepted">Keys, with the keys of the objects around them, that the user knows to change no hidden state.</param>
    /// <exception cref="LlmEmbedException">
    /// A key asks for something that is not implemented, or may do so: it is not known, its name speaks of what a model computes, and it is not
    /// accepted.
    /// </exception>
    public void RefuseUnread(IReadOnlyCollection<string> accepted)
    {
        List<string> passed = [], unknown = [];
        JudgeUnread(accepted, passed, unknown);
        AcceptedKeys = passed;
        _keyNotes = [.. NotesOn(passed, unknown).Select(sentence => $"{Source}: {sentence}")];
    }

    private void JudgeUnread(IReadOnlyCollection<string> accepted, List<string> passed, List<string> unknown)
    {
        foreach ((string key, JsonElement value) in _section.Unread())
        {
            string place = _section.Place(key);
            KeyVerdict verdict = ConfigKeys.Judge(place, value, out IReadOnlyList<string> plain);
            if (verdict == KeyVerdict.Plain) continue;
            if (verdict == KeyVerdict.NotImplemented)
                throw _section.Wrong(key, value, $"{string.Join(" or ", plain)} (nothing else is implemented for model_type '{ModelType}')");
            if (accepted.Contains(place)) passed.Add(place);
            else if (verdict == KeyVerdict.Unknown) unknown.Add(_section.Show(key, value));
            else throw Doubtful(key, value);
        }
        foreach (ModelConfig section in _sections.Values) section.JudgeUnread(accepted, passed, unknown);
    }

    private LlmEmbedException Doubtful(string key, JsonElement value) => _section.Error(
        $"the key {_section.Show(key, value)} is not known for model_type '{ModelType}' and may change the hidden states. " +
        $"If you know that it does not, accept it with --accept-config-keys {_section.Place(key)}.");

    /// <summary>What was passed over, and what says that the model may have been more than the one that is computed.</summary>
    private IEnumerable<string> NotesOn(List<string> passed, List<string> unknown)
    {
        if (passed.Count > 0) yield return $"passed over because you accept it: {string.Join(", ", passed)}.";
        if (unknown.Count > 0)
            yield return $"not known, and passed over because the name speaks of nothing that a model computes: {string.Join(", ", unknown)}.";
        string[] known = [.. Classes.Where(row => row.ModelType == ModelType).Select(row => row.Class)];
        if (known.Length == 0 || _section.KindOf("architectures") != JsonValueKind.Array) yield break;
        string[] foreign = [.. Texts("architectures")!.Where(name => !known.Any(family => IsClassOf(family, name)))];
        if (foreign.Length > 0)
        {
            yield return
                $"'architectures' names {string.Join(", ", foreign)}, no class of transformers' {ModelType}; the plain {ModelType} is computed.";
        }
    }

    /// <summary>Whether a class is the model itself or the model with something on top, such as BertModel and BertForMaskedLM.</summary>
    private static bool IsClassOf(string family, string name) => name.StartsWith(family, StringComparison.Ordinal)
        && (name[family.Length..] is "Model" or "PreTrainedModel" or "LMHeadModel" || name.AsSpan(family.Length).StartsWith("For"));

    private int Positive(string key, int value) =>
        value >= 1 ? value : throw _section.Error($"'{_section.Place(key)}' is {value}, expected at least 1.");
}
