namespace LlmEmbed.Server;

/// <summary>An encoder of an <see cref="EncoderCache"/> for as long as it is used.</summary>
/// <param name="encoder">The encoder.</param>
/// <param name="giveBack">Told when it is used no more.</param>
internal sealed class EncoderLease(TextEncoder encoder, Action giveBack) : IDisposable
{
    public TextEncoder Encoder { get; } = encoder;

    public void Dispose() => giveBack();
}

/// <summary>
/// Encoders for what requests ask of a backbone beside its usual vector: other depths, poolings or prompts. Each combination is compiled once; when
/// there are too many, the one that was not used for longest goes as soon as nobody uses it. They all share the weights of their backbone.
/// </summary>
/// <param name="open">Opens a backbone with options.</param>
internal sealed class EncoderCache(Func<string, EncoderOptions, TextEncoder> open) : IDisposable
{
    /// <summary>Combinations that are kept while nobody uses them.</summary>
    private const int Kept = 8;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private long _clock;

    /// <exception cref="LlmEmbedException">The backbone does not have what the options ask for.</exception>
    public EncoderLease Lease(string backbone, EncoderOptions options)
    {
        // Opened before it is looked for: options say in many ways what the encoder says in one. It is compiled by its first text only.
        TextEncoder opened = open(backbone, options);
        string key = string.Join(
            '\n', backbone, string.Join(' ', opened.Views), opened.MaxTokens, opened.Precision, options.Prompt, options.PromptName);
        Entry? entry;
        lock (_lock)
        {
            if (!_entries.TryGetValue(key, out entry)) _entries[key] = entry = new Entry(opened);
            entry.Users++;
            entry.LastUse = _clock++;
        }
        if (entry.Encoder != opened) opened.Dispose();
        return new EncoderLease(entry.Encoder, () => GiveBack(entry));
    }

    public void Dispose()
    {
        foreach (Entry entry in _entries.Values) entry.Encoder.Dispose();
    }

    private void GiveBack(Entry entry)
    {
        List<Entry> gone = [];
        lock (_lock)
        {
            entry.Users--;
            var unused = _entries.Where(pair => pair.Value.Users == 0).OrderByDescending(pair => pair.Value.LastUse);
            foreach ((string key, Entry idle) in unused.Skip(Kept).ToArray())
            {
                _entries.Remove(key);
                gone.Add(idle);
            }
        }
        foreach (Entry idle in gone) idle.Encoder.Dispose();
    }

    private sealed class Entry(TextEncoder encoder)
    {
        public TextEncoder Encoder { get; } = encoder;

        public int Users { get; set; }

        public long LastUse { get; set; }
    }
}
