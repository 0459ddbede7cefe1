using LlmEmbed.Files;
using LlmEmbed.Hub;

namespace LlmEmbed.Checkpoints;

/// <summary>
/// Finds a backbone by the name that a user gives it: a folder, a file, the name of a folder under models/, or a repository of the Hugging Face Hub.
/// </summary>
internal static class BackboneLocator
{
    /// <summary>The environment variable that lists further folders of models, separated as in PATH.</summary>
    public const string ModelsVariable = "LLMEMBED_MODELS";

    /// <summary>The names of the backbones that come with the project.</summary>
    public static readonly IReadOnlyList<string> Starters = [.. Starter.All.Select(starter => starter.Name)];

    /// <param name="name">
    /// A path, a name to look for, or a repository as <see cref="HubName"/> takes it, of which what is in the local cache is found.
    /// </param>
    /// <param name="modelFolders">Folders of models that are searched before the usual ones.</param>
    /// <exception cref="LlmEmbedException">Nothing was found; the message lists the places that were searched.</exception>
    public static LocatedBackbone Find(string name, IReadOnlyList<string> modelFolders)
    {
        if (FindHere(name, modelFolders) is { } here) return here;
        CachedModel cached = CachedModel.Look(name);
        return cached.Located ?? throw NotFound(
            name,
            modelFolders,
            cached,
            HubName.ParseRemote(name) is null ? "" : $" If it is on the Hugging Face Hub, llmembed download {name} fetches it.");
    }

    /// <summary>As <see cref="Find"/>, but null if nothing was found.</summary>
    public static LocatedBackbone? TryFind(string name, IReadOnlyList<string> modelFolders) =>
        FindHere(name, modelFolders) ?? CachedModel.Look(name).Located;

    /// <summary>As <see cref="TryFind"/>, but null also if the Hub's cache has only a part of the model.</summary>
    public static LocatedBackbone? TryFindWhole(string name, IReadOnlyList<string> modelFolders) =>
        FindHere(name, modelFolders) ?? (CachedModel.Look(name) is { Model.Missing.Count: 0 } cached ? cached.Located : null);

    /// <summary>As <see cref="Find"/>, but what is a name on the Hugging Face Hub and in no other place is downloaded.</summary>
    /// <param name="name">As in <see cref="Find"/>.</param>
    /// <param name="runtime">Where is searched, and whether anything may be downloaded.</param>
    /// <param name="progress">Told the bytes that have arrived.</param>
    /// <param name="cancellationToken">Stops a download.</param>
    /// <exception cref="LlmEmbedException">Nothing was found, here or on the Hub.</exception>
    public static LocatedBackbone FindOrDownload(
        string name, RuntimeOptions runtime, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        (LocatedBackbone? found, (HubName Name, HubEnvironment Environment)? hub) = FindOrRefuse(name, runtime);
        if (found is not null) return found;
        (HubName remote, HubEnvironment environment) = hub!.Value;
        // On a thread of the pool, so that no synchronization context of the caller is waited for.
        Task<HubModel> download = Task.Run(() => HubSnapshot.DownloadAsync(remote, environment, progress, cancellationToken), cancellationToken);
        return CachedModel.Locate(name, remote, download.GetAwaiter().GetResult())!;
    }

    /// <summary>Refuses a name that <see cref="FindOrDownload"/> would refuse before it asks the Hub.</summary>
    /// <exception cref="LlmEmbedException">Nothing was found here, and nothing may or can be downloaded.</exception>
    public static void Require(string name, RuntimeOptions runtime) => FindOrRefuse(name, runtime);

    /// <returns>What is here, or else what has to be downloaded.</returns>
    private static (LocatedBackbone? Found, (HubName Name, HubEnvironment Environment)? Remote) FindOrRefuse(string name, RuntimeOptions runtime)
    {
        if (FindHere(name, runtime.ModelFolders) is { } here) return (here, null);
        CachedModel cached = CachedModel.Look(name);
        // Other programs fetch single files, so a snapshot may lack the weights.
        if (cached is { Located: not null, Model.Missing.Count: 0 }) return (cached.Located, null);
        if (HubName.ParseRemote(name) is not { } remote)
            return (cached.Located ?? throw NotFound(name, runtime.ModelFolders, cached, hub: ""), null);
        HubEnvironment environment = HubEnvironment.OfProcess();
        if (runtime.Offline) environment = environment.Offline();
        if (cached.Model is null && environment.WhyOffline is string reason)
            throw NotFound(name, runtime.ModelFolders, cached, $" It was not looked for on the Hugging Face Hub because {reason}.");
        return (null, (remote, environment));
    }

    /// <summary>What is no matter of the Hub: a path, or a name in a folder of models.</summary>
    private static LocatedBackbone? FindHere(string name, IReadOnlyList<string> modelFolders)
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
        return null;
    }

    private static LlmEmbedException NotFound(string name, IReadOnlyList<string> modelFolders, CachedModel cached, string hub)
    {
        IEnumerable<string> places = Places(modelFolders);
        if (cached.Place is string cache) places = places.Append($"the Hugging Face cache {cache}");
        string searched = string.Join(", ", places.DefaultIfEmpty("(none)"));
        string message = $"Backbone '{InvisibleCharacters.Show(name)}' was not found: it is no file or folder, " +
            $"and none of these folders holds it: {searched}. " +
            AdviceOn(name, hub);
        return new LlmEmbedException(message) { FilePath = name };
    }

    /// <summary>What a user can do about a name that was not found.</summary>
    /// <param name="name">The name.</param>
    /// <param name="hub">What is to say of the Hugging Face Hub, as a sentence behind a space; may be empty.</param>
    internal static string AdviceOn(string name, string hub) => Starter.Find(name) is { } starter
        ? $"{starter.Advice} Or name a folder of models with --models, {ModelsVariable} or RuntimeOptions.ModelFolders. Where there is a network, " +
          $"{starter.Repository} names the same model on the Hugging Face Hub; its files are others, so a classifier needs those that it was " +
          "trained with."
        : $"Give the path of a checkpoint folder or .gguf file, or name a folder of models with --models or {ModelsVariable}.{hub}";

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
internal sealed record LocatedBackbone(string Name, string Path)
{
    /// <summary>The name with the commit, by which exactly the same is found for ever; null if it is not of the Hub.</summary>
    public string? PinnedName { get; init; }
}

/// <summary>What the cache of the Hub has under a name.</summary>
/// <param name="Place">Where was looked and what was missing there, for messages; null if the name is no repository's.</param>
/// <param name="Model">What is there; null if the cache has no snapshot.</param>
/// <param name="Located">Where it is; null if the cache has nothing that could be opened.</param>
internal readonly record struct CachedModel(string? Place, HubModel? Model, LocatedBackbone? Located)
{
    public static CachedModel Look(string name)
    {
        if (HubName.Parse(name) is not { } parsed) return default;
        HubLookup found = HubCache.Look(parsed, HubEnvironment.CacheFolder());
        if (found.Snapshot is null) return new CachedModel(found.Place, null, null);
        HubModel model = HubListing.ModelIn(parsed, found.Snapshot);
        string? lack = model.Path is null ? $" ({found.Snapshot} there lacks {FileProblem.List(model.Missing)})" : null;
        return new CachedModel(found.Place + lack, model, Locate(name, parsed, model));
    }

    public static LocatedBackbone? Locate(string name, HubName parsed, HubModel model)
    {
        if (model.Path is null) return null;
        string path = CheckpointFormat.FileOrFolder(model.Path);
        // Without a listing it is only seen here that the folder's one GGUF file is meant.
        if (path != model.Path) model = model with { File = Path.GetFileName(path) };
        return new LocatedBackbone(name, path) { PinnedName = model.PinnedName(parsed) };
    }
}
