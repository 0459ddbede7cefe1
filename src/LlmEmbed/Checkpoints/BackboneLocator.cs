using LlmEmbed.Files;
using LlmEmbed.Hub;

namespace LlmEmbed.Checkpoints;

/// <summary>
/// Finds a backbone by the name that a user gives it: a folder, a file, the name of a folder under models/, or a repository in the local Hugging Face
/// cache.
/// </summary>
internal static class BackboneLocator
{
    /// <summary>The environment variable that lists further folders of models, separated as in PATH.</summary>
    public const string ModelsVariable = "LLMEMBED_MODELS";

    /// <summary>The backbones that come with the project.</summary>
    public static readonly IReadOnlyList<string> Starters = ["smollm2-135m-instruct", "all-minilm-l6-v2"];

    /// <param name="name">A path, a name to look for, or a repository as <see cref="HubCache.Look(string)"/> takes it.</param>
    /// <param name="modelFolders">Folders of models that are searched before the usual ones.</param>
    /// <exception cref="LlmEmbedException">Nothing was found; the message lists the places that were searched.</exception>
    public static LocatedBackbone Find(string name, IReadOnlyList<string> modelFolders)
    {
        if (TryFind(name, modelFolders) is { } found) return found;
        throw NotFound(
            name, modelFolders, HubName.ParseRemote(name) is null ? "" : $" If it is on the Hugging Face Hub, llmembed download {name} fetches it.");
    }

    /// <summary>As <see cref="Find"/>, but what is a name on the Hugging Face Hub and in no other place is downloaded.</summary>
    /// <param name="name">As in <see cref="Find"/>.</param>
    /// <param name="runtime">Where is searched, and whether anything may be downloaded.</param>
    /// <param name="progress">Told the bytes that have arrived.</param>
    /// <param name="cancellationToken">Stops a download.</param>
    /// <exception cref="LlmEmbedException">Nothing was found, here or on the Hub.</exception>
    public static LocatedBackbone FindOrDownload(
        string name, RuntimeOptions runtime, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        LocatedBackbone? found = TryFind(name, runtime.ModelFolders);
        // Other programs fetch single files, so a snapshot may lack the weights.
        bool isPart = found is not null && HubCache.Look(name).Snapshot == found.Path && HubListing.MissingIn(found.Path).Count > 0;
        if (found is not null && !isPart) return found;
        if (HubName.ParseRemote(name) is not { } remote) return found ?? Find(name, runtime.ModelFolders);
        HubEnvironment environment = HubEnvironment.OfProcess();
        if (runtime.Offline) environment = environment.Offline();
        if (found is null && environment.WhyOffline is string reason)
            throw NotFound(name, runtime.ModelFolders, $" It was not looked for on the Hugging Face Hub because {reason}.");
        // On a thread of the pool, so that no synchronization context of the caller is waited for.
        Task<string> download = Task.Run(() => HubSnapshot.DownloadAsync(remote, environment, progress, cancellationToken), cancellationToken);
        string snapshot = download.GetAwaiter().GetResult();
        return new LocatedBackbone(name, CheckpointFormat.FileOrFolder(snapshot));
    }

    /// <summary>As <see cref="Find"/>, but null if nothing was found.</summary>
    public static LocatedBackbone? TryFind(string name, IReadOnlyList<string> modelFolders)
    {
        if (name.Length == 0) return null;
        if (Path.Exists(name))
        {
            string path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(name));
            return new LocatedBackbone(Path.GetFileName(path), CheckpointFormat.FileOrFolder(path));
        }
        foreach (string folder in Places(modelFolders))
        {
            string candidate = Path.Combine(folder, name);
            if (Path.Exists(candidate)) return new LocatedBackbone(name, CheckpointFormat.FileOrFolder(Path.GetFullPath(candidate)));
        }
        return HubCache.Look(name).Snapshot is string snapshot ? new LocatedBackbone(name, CheckpointFormat.FileOrFolder(snapshot)) : null;
    }

    private static LlmEmbedException NotFound(string name, IReadOnlyList<string> modelFolders, string hub)
    {
        IEnumerable<string> places = Places(modelFolders);
        if (HubCache.Look(name).Place is string cache) places = places.Append($"the Hugging Face cache {cache}");
        string searched = string.Join(", ", places.DefaultIfEmpty("(none)"));
        string message = $"Backbone '{InvisibleCharacters.Show(name)}' was not found: it is no file or folder, " +
            $"and none of these folders holds it: {searched}. " +
            $"Give the path of a checkpoint folder or .gguf file, or name a folder of models with --models or {ModelsVariable}.{hub}";
        return new LlmEmbedException(message) { FilePath = name };
    }

    private static IEnumerable<string> Places(IReadOnlyList<string> modelFolders) => modelFolders.Concat(UsualFolders());

    /// <summary>
    /// The folders that the environment variable lists, then models/ in the working folder, beside the program, and in the folders above both.
    /// </summary>
    private static IEnumerable<string> UsualFolders()
    {
        string variable = Environment.GetEnvironmentVariable(ModelsVariable) ?? "";
        return variable.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Concat(Ancestors(Environment.CurrentDirectory)).Concat(Ancestors(AppContext.BaseDirectory)).Distinct(StringComparer.Ordinal);

        static IEnumerable<string> Ancestors(string start)
        {
            for (DirectoryInfo? folder = new(start); folder is not null; folder = folder.Parent)
            {
                string models = Path.Combine(folder.FullName, "models");
                if (Directory.Exists(models)) yield return models;
            }
        }
    }
}

/// <summary>A backbone that was found.</summary>
/// <param name="Name">The name by which it was asked for, or the last part of its path.</param>
/// <param name="Path">A folder with config.json, or a .gguf file.</param>
internal sealed record LocatedBackbone(string Name, string Path);
