namespace LlmEmbed.Checkpoints;

/// <summary>Finds a backbone by what a user calls it: a folder, a file, the name of a folder under models/, or a repository in the local Hugging Face cache.</summary>
internal static class BackboneLocator
{
    /// <summary>Environment variable with further folders of models, separated as in PATH.</summary>
    public const string ModelsVariable = "LLMEMBED_MODELS";

    /// <summary>The backbones that come with the project.</summary>
    public static readonly IReadOnlyList<string> Starters = ["smollm2-135m-instruct", "all-minilm-l6-v2"];

    /// <exception cref="LlmEmbedException">Nothing is there; the message lists where was looked.</exception>
    public static LocatedBackbone Find(string name, IReadOnlyList<string> modelFolders) => TryFind(name, modelFolders) ?? throw new LlmEmbedException(
        $"Backbone '{name}' was not found: it is no file or folder, and none of these folders holds it: {string.Join(", ", Places(modelFolders).DefaultIfEmpty("(none)"))}. " +
        $"Give the path of a checkpoint folder or .gguf file, or name a folder of models with --models or {ModelsVariable}.")
    { FilePath = name };

    /// <inheritdoc cref="Find"/>
    /// <returns>Null where nothing is there.</returns>
    public static LocatedBackbone? TryFind(string name, IReadOnlyList<string> modelFolders)
    {
        if (name.Length == 0) return null;
        if (Path.Exists(name))
        {
            string path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(name));
            return new(Path.GetFileName(path), Checkpoint.FileOrFolder(path));
        }
        foreach (string folder in Places(modelFolders))
        {
            string candidate = Path.Combine(folder, name);
            if (Path.Exists(candidate)) return new(name, Checkpoint.FileOrFolder(Path.GetFullPath(candidate)));
        }
        return FindInHubCache(name) is string snapshot ? new(name, Checkpoint.FileOrFolder(snapshot)) : null;
    }

    private static IEnumerable<string> Places(IReadOnlyList<string> modelFolders) => modelFolders.Concat(UsualFolders());

    /// <summary>models/ in the working folder and above it, and beside the program.</summary>
    private static IEnumerable<string> UsualFolders()
    {
        string[] variable = (Environment.GetEnvironmentVariable(ModelsVariable) ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        return variable.Concat(Ancestors(Environment.CurrentDirectory)).Concat(Ancestors(AppContext.BaseDirectory)).Distinct(StringComparer.Ordinal);

        static IEnumerable<string> Ancestors(string start)
        {
            for (DirectoryInfo? folder = new(start); folder is not null; folder = folder.Parent)
            {
                string models = Path.Combine(folder.FullName, "models");
                if (Directory.Exists(models)) yield return models;
            }
        }
    }

    private static string? FindInHubCache(string name)
    {
        if (name.Count(character => character == '/') != 1) return null;
        string home = Environment.GetEnvironmentVariable("HF_HOME")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache", "huggingface");
        string repository = Path.Combine(home, "hub", "models--" + name.Replace("/", "--", StringComparison.Ordinal));
        string reference = Path.Combine(repository, "refs", "main");
        if (!File.Exists(reference)) return null;
        string snapshot = Path.Combine(repository, "snapshots", File.ReadAllText(reference).Trim());
        return Directory.Exists(snapshot) ? snapshot : null;
    }
}

/// <param name="Name">What the backbone is called: the name it was asked for by, or the last part of its path.</param>
/// <param name="Path">A folder with config.json, or a .gguf file.</param>
internal sealed record LocatedBackbone(string Name, string Path);
