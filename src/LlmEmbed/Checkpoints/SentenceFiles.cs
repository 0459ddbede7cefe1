using System.Text.Json;
using LlmEmbed.Files;
using LlmEmbed.Hub;

namespace LlmEmbed.Checkpoints;

/// <summary>
/// The files by which a sentence-transformers repository says how texts become vectors: modules.json with the modules in their order, the settings of
/// the first one (the transformer), and the prompts. What they ask for and is not implemented is refused by name.
/// </summary>
internal sealed class SentenceFiles
{
    private const string ModulesFile = "modules.json", SettingsFile = "config_sentence_transformers.json", Library = "sentence_transformers";

    /// <summary>The settings of the transformer: today's name and older ones, in the order in which the library looks for them.</summary>
    private static readonly string[] TransformerFiles =
    [
        "sentence_bert_config.json", "sentence_roberta_config.json", "sentence_distilbert_config.json", "sentence_camembert_config.json",
        "sentence_albert_config.json", "sentence_xlm-roberta_config.json", "sentence_xlnet_config.json",
    ];

    private readonly string _folder;

    private SentenceFiles(string folder)
    {
        _folder = folder;
        SentenceModuleFiles[] modules = [.. JsonSection.OpenList(Place(ModulesFile)).Select(entry => ReadModule(folder, entry))];
        if (modules is not [{ Name: "Transformer", Path: "" }, .. var behind])
            throw FileProblem.In(
                Place(ModulesFile),
                $"the first module is {(modules is [var first, ..] ? $"{first.Name} in '{first.Path}'" : "missing")}, expected Transformer in the " +
                "folder itself (nothing else is implemented).");
        Behind = behind;
        MaxTokens = ReadTransformer(folder) ?? TokenizerLimit(folder);
        JsonSection settings = OpenOrEmpty(Place(SettingsFile)).Ignore("__version__", "similarity_fn_name");
        Expect(settings, "model_type", "SentenceTransformer");
        TruncateTo = settings.IntOrNull("truncate_dim");
        if (settings.SectionOrNull("prompts") is { } prompts) Prompts = [.. prompts.Keys.Select(name => (name, prompts.TextOrNull(name) ?? ""))];
        DefaultPromptName = settings.TextOrNull("default_prompt_name");
        if (DefaultPromptName is string wanted && Prompts.All(prompt => prompt.Name != wanted))
            throw settings.Error(
                $"'default_prompt_name' is '{wanted}', expected one of the prompts {FileProblem.List([.. Prompts.Select(prompt => prompt.Name)])}.");
        RefuseUnread(settings);
    }

    /// <summary>The modules behind the transformer, in their order.</summary>
    public SentenceModuleFiles[] Behind { get; }

    /// <summary>The longest input in tokens, special tokens included; null if no file says it.</summary>
    public int? MaxTokens { get; }

    /// <summary>The number of channels that are kept of the last module's vector; null keeps all.</summary>
    public int? TruncateTo { get; }

    /// <summary>The prompts by name, in the order of the file.</summary>
    public IReadOnlyList<(string Name, string Text)> Prompts { get; } = [];

    public string? DefaultPromptName { get; }

    /// <summary>Every file that decides a vector beside those of the transformer, in a stable order.</summary>
    public IReadOnlyList<string> Files =>
    [
        .. new[] { ModulesFile, SettingsFile }.Concat(TransformerFiles).Select(Place)
            .Concat(Behind.SelectMany(module => module.Files)).Where(File.Exists),
    ];

    /// <summary>Whether a folder says what a sentence's vector is.</summary>
    public static bool AreIn(string folder) => File.Exists(Path.Combine(folder, ModulesFile));

    /// <exception cref="LlmEmbedException">A file is damaged or asks for something that is not implemented.</exception>
    public static SentenceFiles Read(string folder) => new(folder);

    /// <summary>What tokenizer_config.json says of the longest input; null if it says nothing or no real limit.</summary>
    public static int? TokenizerLimit(string folder) =>
        OpenOrEmpty(Path.Combine(folder, "tokenizer_config.json")).NumberOrNull("model_max_length") is double limit and >= 1 and <= int.MaxValue
            ? (int)limit : null;

    /// <summary>The file that asks for texts to be lowered before the tokenizer reads them; null if none does.</summary>
    public static string? LoweringFile(string folder) =>
        AreIn(folder) && FindTransformerFile(folder) is string file && JsonSection.Open(file).Flag("do_lower_case", fallback: false) ? file : null;

    /// <summary>Refuses keys that nobody asked for.</summary>
    public static void RefuseUnread(JsonSection section)
    {
        if (section.FirstUnread() is string key) throw section.Error($"the key {key} is not known and may change what a sentence's vector is.");
    }

    /// <summary>Refuses every value of a key but one. A key that is absent or null passes.</summary>
    public static void Expect(JsonSection section, string key, string expected)
    {
        if (section.Find(key) is JsonElement value && (value.ValueKind != JsonValueKind.String || value.GetString() != expected))
            throw section.Wrong(key, value, $"\"{expected}\" (nothing else is implemented)");
    }

    /// <summary>A file as an object; an empty one if the file is not there.</summary>
    public static JsonSection OpenOrEmpty(string file) => File.Exists(file) ? JsonSection.Open(file) : JsonSection.Of(file, []);

    private static string? FindTransformerFile(string folder) =>
        TransformerFiles.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    /// <summary>The longest input that the settings of the transformer name; null if they name none.</summary>
    private static int? ReadTransformer(string folder)
    {
        if (FindTransformerFile(folder) is not string file) return null;
        JsonSection settings = JsonSection.Open(file).Ignore("do_lower_case", "unpad_inputs");
        Expect(settings, "transformer_task", "feature-extraction");
        Expect(settings, "module_output_name", "token_embeddings");
        foreach ((string modality, JsonSection use) in settings.NamedSections("modality_config"))
        {
            if (modality != "text") throw settings.Error($"'modality_config' has '{modality}', expected text alone.");
            Expect(use, "method", "forward");
            Expect(use, "method_output_name", "last_hidden_state");
            RefuseUnread(use);
        }
        int? limit = settings.IntOrNull("max_seq_length");
        if (limit < 1) throw settings.Error($"'max_seq_length' is {limit}, expected at least 1.");
        RefuseUnread(settings);
        return limit;
    }

    private static SentenceModuleFiles ReadModule(string folder, JsonSection entry)
    {
        string type = entry.Text("type"), path = entry.TextOrNull("path") ?? "";
        string[] names = type.Split('.');
        if (names[0] != Library)
            throw entry.Error(
                $"the module '{InvisibleCharacters.Show(type)}' is code of the repository's own, which is never run. Use the views of its depths.");
        if (path.Length > 0 && !HubName.IsSafePath(path))
            throw entry.Error($"the path '{InvisibleCharacters.Show(path)}' leads out of the folder, expected a folder in it.");
        RefuseUnread(entry.Ignore("idx", "name"));
        return new SentenceModuleFiles(names[^1], path, Path.Combine(folder, path));
    }

    private string Place(string name) => Path.Combine(_folder, name);
}

/// <summary>Where a module lies.</summary>
/// <param name="Name">The name of its class.</param>
/// <param name="Path">As modules.json writes it; empty for the folder of the repository.</param>
/// <param name="Folder">Its folder.</param>
internal sealed record SentenceModuleFiles(string Name, string Path, string Folder)
{
    private const string ConfigFile = "config.json", WeightsFile = "model.safetensors";

    /// <summary>The files that it may have.</summary>
    public IReadOnlyList<string> Files => [Place(ConfigFile), Place(WeightsFile)];

    /// <summary>Its configuration; an empty one if it has none, as modules without settings.</summary>
    public JsonSection Config() => SentenceFiles.OpenOrEmpty(Place(ConfigFile));

    /// <exception cref="LlmEmbedException">There are no weights that may be read.</exception>
    public SafetensorsFile OpenWeights()
    {
        if (!File.Exists(Place(WeightsFile)) && File.Exists(Place("pytorch_model.bin")))
            throw FileProblem.In(
                Folder,
                $"the module {Path} has only pytorch_model.bin, which can run code and is never read, expected {WeightsFile}. A pull request of " +
                "the repository on the Hub often holds it (org/name@refs/pr/N), or let the Hub's convert space make one.");
        return SafetensorsFile.Open(Place(WeightsFile));
    }

    /// <summary>The error for a module that cannot be computed where it stands.</summary>
    public LlmEmbedException NotImplemented(string expected) =>
        FileProblem.In(Folder, $"the module {Name} is not implemented here, expected {expected}. Use the views of the model's depths.");

    private string Place(string name) => System.IO.Path.Combine(Folder, name);
}
