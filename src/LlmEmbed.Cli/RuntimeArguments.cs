using System.CommandLine;

namespace LlmEmbed.Cli;

/// <summary>The options that say how backbones run on this machine, for the commands that read texts.</summary>
internal sealed class RuntimeArguments
{
    private readonly Option<string?> _cache = CommonOptions.Cache();
    private readonly Option<string[]> _models = CommonOptions.ModelFolders();
    private readonly Option<long?> _memory = CommonOptions.Memory();
    private readonly Option<int?> _threads = CommonOptions.Threads();
    private readonly Option<IReadOnlyList<string>?> _acceptedKeys = CommonOptions.AcceptConfigKeys();
    private readonly string? _defaultCache;

    /// <param name="keepsEmbeddings">Whether embeddings are kept unless told otherwise. A stream of any length must need constant memory, so that
    /// predict keeps none.</param>
    public RuntimeArguments(bool keepsEmbeddings = true)
    {
        _defaultCache = keepsEmbeddings ? CommonOptions.DefaultCache : null;
        if (!keepsEmbeddings)
            _cache.Description = "Folder that keeps embeddings. Default: none, so that a stream of any length needs constant memory.";
    }

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _cache, _models, _memory, _threads, _acceptedKeys }) command.Add(option);
    }

    public RuntimeOptions Read(ParseResult parsed) => new()
    {
        CacheFolder = CommonOptions.CacheFolder(parsed.GetValue(_cache), _defaultCache),
        WeightsFolder = CommonOptions.CacheFolder(parsed.GetValue(_cache), CommonOptions.DefaultCache),
        ModelFolders = parsed.GetValue(_models) ?? [],
        MemoryBytes = parsed.GetValue(_memory),
        Threads = parsed.GetValue(_threads),
        AcceptedConfigKeys = parsed.GetValue(_acceptedKeys) ?? [],
    };
}
