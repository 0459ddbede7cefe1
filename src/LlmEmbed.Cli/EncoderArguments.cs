using System.CommandLine;

namespace LlmEmbed.Cli;

/// <summary>The options that say how backbones are run, for the commands that extract embeddings.</summary>
internal sealed class EncoderArguments(Precision precision = Precision.Auto)
{
    private readonly Option<string?> _depths = CommonOptions.Depths();
    private readonly Option<IReadOnlyList<Pooling>?> _poolings = CommonOptions.Poolings();
    private readonly Option<int?> _maxTokens = CommonOptions.MaxTokens();
    private readonly Option<string?> _prompt = CommonOptions.Prompt();
    private readonly Option<int?> _padTo = CommonOptions.PadTo();
    private readonly Option<Precision> _precision = CommonOptions.Choice<Precision>(
        "--precision",
        "What matrix products are computed in; auto is int8 where it keeps the states of a small built-in sample, fp32 otherwise. " +
        $"Default: {PrecisionNames.NameOf(precision)}.");
    private readonly Option<string?> _cache = CommonOptions.Cache();
    private readonly Option<string[]> _models = CommonOptions.ModelFolders();
    private readonly Option<long?> _memory = CommonOptions.Memory();
    private readonly Option<int?> _threads = CommonOptions.Threads();

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _depths, _poolings, _maxTokens, _prompt, _padTo, _precision, _cache, _models, _memory, _threads }) command.Add(option);
    }

    public EncoderOptions Read(ParseResult parsed) => new()
    {
        Depths = parsed.GetValue(_depths),
        Poolings = parsed.GetValue(_poolings),
        MaxTokens = parsed.GetValue(_maxTokens),
        Prompt = parsed.GetValue(_prompt),
        PadTo = parsed.GetValue(_padTo),
        CacheFolder = CommonOptions.CacheFolder(parsed.GetValue(_cache), CommonOptions.DefaultCache),
        ModelFolders = parsed.GetValue(_models) ?? [],
        Precision = parsed.GetResult(_precision) is null ? precision : parsed.GetValue(_precision),
        MemoryBytes = parsed.GetValue(_memory),
        Threads = parsed.GetValue(_threads),
    };
}
