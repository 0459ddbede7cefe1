using LlmEmbed.Checkpoints;
using LlmEmbed.Files;
using LlmEmbed.Models;

namespace LlmEmbed.Reading;

/// <summary>
/// How a repository means its texts to become vectors: what <c>SentenceTransformer.encode</c> gives. The states of the last depth are pooled inside
/// of the graph by one mode or several, and the modules behind it follow text by text.
/// </summary>
internal sealed class SentenceView
{
    /// <summary>How those who made the models name the prompt for classification.</summary>
    private static readonly string[] ClassificationNames = ["Classification", "classification"];

    private readonly SentenceFiles? _files;
    private readonly string _source;
    private readonly Lazy<string> _sha256;

    /// <summary>Of a repository that says how.</summary>
    private SentenceView(string source, SentenceFiles files, int hiddenSize, int positions)
    {
        (_source, _files) = (source, files);
        if (files.Behind is not [{ Name: "Pooling" } pooling, .. var behind])
            throw files.Behind is [var other, ..]
                ? other.NotImplemented("Pooling right behind the transformer")
                : FileProblem.In(source, "modules.json names no Pooling behind the transformer, expected one (nothing else is implemented).");
        (Modes, IncludesPrompt) = SentencePooling.Read(pooling.Config(), hiddenSize);
        int size = Modes.Count * hiddenSize;
        List<SentenceModule> modules = [];
        foreach (SentenceModuleFiles module in behind)
        {
            if (SentenceModule.Read(module, size) is not { } read) continue;
            modules.Add(read);
            size = read.Size;
        }
        Modules = modules;
        if (files.TruncateTo is < 1) throw FileProblem.In(source, $"'truncate_dim' is {files.TruncateTo}, expected at least 1.");
        Size = Math.Min(size, files.TruncateTo ?? size);
        MaxTokens = Math.Min(files.MaxTokens ?? positions, positions);
        _sha256 = new(() => FileHash.OfAll(files.Files)); // of use only to those who read the view
        Declared = "in modules.json";
    }

    /// <summary>Of a GGUF file that names a pooling.</summary>
    private SentenceView(string source, StoredPooling stored, int hiddenSize, int maxTokens)
        : this(source, stored.Mode, hiddenSize, maxTokens)
    {
        Modules = [.. stored.Dense.Select(SentenceModule.OfMatrix)];
        Size = Modules is [.., var last] ? last.Size : hiddenSize;
        _sha256 = new(string.Join(' ', Modules.Select(module => module.Description).Prepend(stored.Mode))); // the file's own hash covers the values
        Declared = "in the GGUF file";
    }

    /// <summary>Of any other checkpoint, by the library's own rule.</summary>
    private SentenceView(string source, string mode, int hiddenSize, int maxTokens)
    {
        (_source, Modes, Size, MaxTokens, _sha256) = (source, [SentencePooling.Of(mode)], hiddenSize, maxTokens, new(mode));
        (IncludesPrompt, Modules) = (true, []);
    }

    /// <summary>Where the repository says it itself; null if it does not.</summary>
    public string? Declared { get; }

    /// <summary>The pooling modes whose vectors are concatenated.</summary>
    public IReadOnlyList<SentencePooling> Modes { get; }

    /// <summary>Whether the tokens of a prompt are pooled like the text's own.</summary>
    public bool IncludesPrompt { get; }

    /// <summary>What follows the pooling, in order.</summary>
    public IReadOnlyList<SentenceModule> Modules { get; }

    /// <summary>Channels of the vector.</summary>
    public int Size { get; }

    /// <summary>The longest input that the repository asks for, as far as the model has positions.</summary>
    public int MaxTokens { get; }

    /// <summary>
    /// Differs wherever the vector of the same states differs: SHA-256 over the repository's files of modules, or the mode and the shapes of a
    /// checkpoint that holds all of it itself.
    /// </summary>
    public string Sha256 => _sha256.Value;

    /// <summary>The prompts of the repository.</summary>
    public IReadOnlyList<(string Name, string Text)> Prompts => _files?.Prompts ?? [];

    /// <summary>The name of the prompt that the repository's authors put before every text; null if they have none.</summary>
    public string? DefaultPromptName => _files?.DefaultPromptName;

    /// <summary>The name of the prompt to classify with: the one for classification, or else the default one; null if there is none.</summary>
    public string? ClassificationPromptName =>
        Prompts.Select(prompt => prompt.Name).FirstOrDefault(name => ClassificationNames.Contains(name, StringComparer.Ordinal)) ?? DefaultPromptName;

    /// <summary>Whether states of a prompt's tokens take part.</summary>
    public bool ReadsPrompt => IncludesPrompt && Modes.Any(mode => mode.ReadsPrompt);

    /// <summary>How a checkpoint makes vectors of texts.</summary>
    /// <exception cref="LlmEmbedException">The repository asks for something that is not implemented.</exception>
    public static SentenceView Of(Backbone model)
    {
        string path = model.Checkpoint.Path;
        if (SentenceFiles.AreIn(path)) return new SentenceView(path, SentenceFiles.Read(path), model.HiddenSize, model.MaxTokens);
        if (model.Checkpoint.Pooling is { } stored) return new SentenceView(path, stored, model.HiddenSize, model.MaxTokens);
        ModelConfig config = model.Checkpoint.Config;
        bool isLanguageModel = (config.Texts("architectures")?.Any(name => name.EndsWith("ForCausalLM", StringComparison.Ordinal)) ?? model.IsCausal)
            && model.IsCausal;
        int maxTokens = Math.Min(Directory.Exists(path) ? SentenceFiles.TokenizerLimit(path) ?? model.MaxTokens : model.MaxTokens, model.MaxTokens);
        return new SentenceView(path, isLanguageModel ? "lasttoken" : "mean", model.HiddenSize, maxTokens);
    }

    /// <summary>The text of a prompt.</summary>
    /// <exception cref="LlmEmbedException">There is no prompt of that name; the message lists those that there are.</exception>
    public string PromptNamed(string name)
    {
        foreach ((string known, string text) in Prompts)
            if (known == name) return text;
        string all = Prompts.Count > 0 ? FileProblem.List([.. Prompts.Select(prompt => $"'{prompt.Name}'")]) : "none";
        throw FileProblem.In(_source, $"there is no prompt '{InvisibleCharacters.Show(name)}', expected one of the repository's own: {all}.");
    }

    /// <summary>Makes the vector [Size] of a text's pooled states [modes·H].</summary>
    public void Apply(ReadOnlySpan<float> pooled, Span<float> vector)
    {
        foreach (SentenceModule module in Modules)
        {
            float[] output = new float[module.Size];
            module.Apply(pooled, output);
            pooled = output;
        }
        pooled[..Size].CopyTo(vector);
    }
}
