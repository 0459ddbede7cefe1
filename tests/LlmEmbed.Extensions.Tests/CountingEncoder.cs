namespace LlmEmbed.Tests;

/// <summary>An encoder that counts what it is asked, and tells when a batch is done.</summary>
internal sealed class CountingEncoder(ITextEncoder encoder) : ITextEncoder
{
    private int _texts;

    public int Texts => _texts;

    public bool IsDisposed { get; private set; }

    public Action<long>? AfterBatch { get; init; }

    public string Name => encoder.Name;

    public int HiddenSize => encoder.HiddenSize;

    public IReadOnlyList<View> Views => encoder.Views;

    public TextEmbeddings Encode(IReadOnlyList<string> texts, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        Interlocked.Add(ref _texts, texts.Count);
        return encoder.Encode(texts, new Batches(AfterBatch), cancellationToken);
    }

    public void Dispose() => IsDisposed = true;

    private sealed class Batches(Action<long>? done) : IProgress<WorkProgress>
    {
        public void Report(WorkProgress value)
        {
            if (value.Done > 0) done?.Invoke(value.Done);
        }
    }
}
