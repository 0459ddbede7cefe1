using System.CommandLine;
using LlmEmbed.Files;

namespace LlmEmbed.Cli;

/// <summary>The options that say how backbones run on this machine, for the commands that read texts.</summary>
internal sealed class RuntimeArguments
{
    private readonly Option<string?> _cache = CommonOptions.Cache();
    private readonly Option<string[]> _models = CommonOptions.ModelFolders();
    private readonly Option<long?> _memory = CommonOptions.Memory();
    private readonly Option<int?> _threads = CommonOptions.Threads();
    private readonly Option<IReadOnlyList<string>?> _acceptedKeys = CommonOptions.AcceptConfigKeys();
    private readonly Option<bool> _offline = CommonOptions.Offline();
    private readonly bool _keepsEmbeddings, _hasMemory;

    /// <param name="keepsEmbeddings">Whether embeddings are kept unless told otherwise. A stream of any length must need constant memory, so that
    /// predict keeps none.</param>
    /// <param name="hasMemory">Whether memory may be limited here. For shards of a job the plan decides it, because the last bits depend on
    /// it.</param>
    public RuntimeArguments(bool keepsEmbeddings = true, bool hasMemory = true)
    {
        (_keepsEmbeddings, _hasMemory) = (keepsEmbeddings, hasMemory);
        if (!keepsEmbeddings)
            _cache.Description = "Folder that keeps embeddings. Default: none, so that a stream of any length needs constant memory.";
    }

    /// <summary>The options of a job or a server. Embeddings are not kept: those of other batches have other last bits, and a server meets ever new
    /// texts.</summary>
    /// <param name="hasMemory">Whether memory may be limited here.</param>
    public static RuntimeArguments KeepingWeightsOnly(bool hasMemory)
    {
        RuntimeArguments arguments = new(keepsEmbeddings: false, hasMemory);
        arguments._cache.Description = "Folder that keeps quantized weights, so that only the first start makes them; 'none' keeps nothing. " +
            $"Default: {CommonOptions.DefaultCache ?? "none, since no home folder is known"}.";
        return arguments;
    }

    public void AddTo(ToolCommand command)
    {
        command.Files.Add(PathRole.Cache, _cache, byDefault: CommonOptions.DefaultCache is string folder ? [folder] : []);
        command.Files.Add(PathRole.Models, _models);
        foreach (Option option in new Option[] { _cache, _models, _memory, _threads, _acceptedKeys, _offline })
            if (_hasMemory || option != _memory) command.Add(option);
    }

    /// <summary>The folder of the cache, if one is named.</summary>
    public string? CacheOf(ParseResult parsed) => parsed.GetValue(_cache) is { Length: > 0 } folder && folder != "none" ? folder : null;

    /// <summary>To be called before any work: a cache that is asked for and cannot be written is an error.</summary>
    public RuntimeOptions Read(Terminal terminal, ParseResult parsed)
    {
        string? given = parsed.GetValue(_cache), folder = given == "none" ? null : FindCache(terminal, given);
        return new()
        {
            CacheFolder = given is not null || _keepsEmbeddings ? folder : null,
            WeightsFolder = folder,
            ModelFolders = parsed.GetValue(_models) ?? [],
            MemoryBytes = _hasMemory ? parsed.GetValue(_memory) : null,
            Offline = parsed.GetValue(_offline),
            Threads = parsed.GetValue(_threads) ?? ThreadsOfSlurm(),
            AcceptedConfigKeys = parsed.GetValue(_acceptedKeys) ?? [],
        };
    }

    /// <summary>
    /// The processors that Slurm gave to this task, the first that is set. Without affinity a task sees all processors of its node, whatever it was
    /// given.
    /// </summary>
    private static int? ThreadsOfSlurm()
    {
        string?[] given = [Environment.GetEnvironmentVariable("SLURM_CPUS_PER_TASK"), Environment.GetEnvironmentVariable("SLURM_CPUS_ON_NODE")];
        return given.Select(value => int.TryParse(value, out int count) && count > 0 ? count : (int?)null).FirstOrDefault(count => count is not null);
    }

    /// <summary>The folder that is asked for or, if none is, the usual one where it can be used.</summary>
    private static string? FindCache(Terminal terminal, string? given)
    {
        const string Remedy = "name a folder with --cache DIR, or say --cache none.";
        if (given is { Length: 0 }) throw new WrongUsageException($"--cache is empty: {Remedy}");
        string? folder = given ?? CommonOptions.DefaultCache;
        try
        {
            if (folder is null) throw new LlmEmbedException("HOME and XDG_CACHE_HOME name no folder for the cache.");
            AtomicFile.RequireWritableFolder(folder);
            return folder;
        }
        catch (LlmEmbedException exception) when (given is null)
        {
            terminal.Error.WriteLine($"llmembed: nothing is kept for the next run: {exception.Message} To keep it, {Remedy}");
            return null;
        }
        catch (LlmEmbedException exception)
        {
            throw new LlmEmbedException($"--cache {exception.Message} To go on, {Remedy}", exception) { FilePath = folder };
        }
    }
}
