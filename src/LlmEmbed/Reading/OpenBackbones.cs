using LlmEmbed.Checkpoints;

namespace LlmEmbed.Reading;

/// <summary>
/// Backbones that are open on this machine. Each is opened, hashed and compiled once, however many encoders and classifiers use it: give the same
/// object to all that are to share their backbones. It must outlive them.
/// </summary>
public sealed class OpenBackbones : IDisposable
{
    private readonly Dictionary<string, OpenBackbone> _open = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();

    /// <summary>Opens nothing yet.</summary>
    /// <param name="runtime">How backbones run on this machine; null takes the defaults.</param>
    public OpenBackbones(RuntimeOptions? runtime = null)
    {
        Runtime = runtime ?? new RuntimeOptions();
        if (Runtime.Threads < 1) throw new LlmEmbedException($"{Runtime.Threads} threads were asked for, expected at least 1.");
    }

    /// <summary>How the backbones run.</summary>
    public RuntimeOptions Runtime { get; }

    /// <summary>The names of the backbones that are open, in the order of their opening.</summary>
    public IReadOnlyList<string> Names
    {
        get
        {
            lock (_lock) return [.. _open.Values.Select(backbone => backbone.Name)];
        }
    }

    /// <summary>What a user should know of the configurations of the backbones that are open. Each is a sentence.</summary>
    public IReadOnlyList<string> Warnings
    {
        get
        {
            lock (_lock) return [.. _open.Values.SelectMany(backbone => backbone.Notes)];
        }
    }

    /// <summary>Frees all of them.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            Disposal.All(_open.Values);
            _open.Clear();
        }
    }

    /// <summary>The backbone of a name or path, opened if it is not.</summary>
    /// <exception cref="LlmEmbedException">It is not there, damaged or not implemented.</exception>
    internal OpenBackbone Open(string source, Work work) =>
        Open(source, BackboneLocator.FindOrDownload(source, Runtime, work.Progress, work.CancellationToken), work);

    /// <param name="source">What it is asked for by.</param>
    /// <param name="located">Where it is.</param>
    /// <param name="work">Told about its opening.</param>
    /// <param name="acceptedKeys">Keys of its configuration that are accepted beside those of <see cref="Runtime"/>.</param>
    internal OpenBackbone Open(string source, LocatedBackbone located, Work work, IReadOnlyList<string>? acceptedKeys = null)
    {
        string[] accepted = [.. Runtime.AcceptedConfigKeys, .. acceptedKeys ?? []];
        lock (_lock)
        {
            // Whoever opened it first may have accepted more.
            if (_open.TryGetValue(located.Path, out OpenBackbone? backbone)) backbone.Checkpoint.Config.RefuseUnread(accepted);
            else _open.Add(located.Path, backbone = OpenBackbone.Open(located.PinnedName ?? source, located, Runtime, accepted, work));
            return backbone;
        }
    }
}
