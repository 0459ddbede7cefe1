namespace LlmEmbed.Serving;

/// <summary>A text in the queue.</summary>
/// <param name="Call">Whose text it is.</param>
/// <param name="Index">Its place in the call.</param>
/// <param name="Length">Its tokens, of the backbone with the most.</param>
/// <param name="Cost">Its tokens of all backbones.</param>
/// <param name="Turn">When it is its turn, in tokens computed for each caller.</param>
/// <param name="Number">Breaks ties: the order of arrival.</param>
internal sealed record WaitingText(QueuedCall Call, int Index, int Length, int Cost, double Turn, long Number);

/// <summary>
/// The texts that wait, in the order of their turns. Calls get turns by tokens: a call's first text stands behind what came before it, and each
/// further one has its turn when every other call could have had as many tokens as the call's texts before it. So a short call does not wait for the
/// end of a long one, a long one goes on whatever comes, and calls of one text are taken in the order of their arrival. Not thread-safe.
/// </summary>
internal sealed class WaitingTexts
{
    /// <summary>
    /// Texts among which those of similar length are chosen for a batch. The first one is always taken, so that none waits for more batches than
    /// stand before it.
    /// </summary>
    private const int Window = 128;

    /// <summary>Tokens for which a batch takes as long as it takes whatever is in it, about: a smaller batch pays if it saves more padding.</summary>
    private const int TokensOfBatch = 24;

    private static readonly IComparer<WaitingText> ByTurn = Comparer<WaitingText>.Create(
        (a, b) => a.Turn != b.Turn ? a.Turn.CompareTo(b.Turn) : a.Number.CompareTo(b.Number));

    private readonly Dictionary<object, SortedSet<WaitingText>> _byModel = [];
    private readonly Dictionary<QueuedCall, int> _textsOf = [];
    private double _turn; // tokens that every call has had that waited all the time
    private long _number;

    /// <summary>Texts that wait.</summary>
    public int Count { get; private set; }

    /// <summary>Their tokens, of all backbones.</summary>
    public long Tokens { get; private set; }

    /// <summary>The text whose turn it is; null if none waits.</summary>
    public WaitingText? First => _byModel.Values.Select(texts => texts.Min!).MinBy(text => (text.Turn, text.Number));

    /// <summary>The calls of which texts wait.</summary>
    public IReadOnlyList<QueuedCall> Calls => [.. _textsOf.Keys];

    /// <summary>Puts all texts of a call into the queue.</summary>
    public void Add(QueuedCall call)
    {
        if (call.Request.Texts.Count == 0) return;
        if (!_byModel.TryGetValue(call.Model.Instance, out SortedSet<WaitingText>? texts))
            _byModel[call.Model.Instance] = texts = new SortedSet<WaitingText>(ByTurn);
        _textsOf.Add(call, call.Request.Texts.Count);
        double turn = _turn;
        for (int index = 0; index < call.Request.Texts.Count; index++)
        {
            int cost = QueuedCall.CostOf(call.Request, index);
            texts.Add(new WaitingText(call, index, QueuedCall.LengthOf(call.Request, index), cost, turn, _number++));
            turn += cost;
            Count++;
            Tokens += cost;
        }
    }

    /// <summary>Removes what still waits of a call.</summary>
    public void Remove(QueuedCall call)
    {
        if (!_byModel.TryGetValue(call.Model.Instance, out SortedSet<WaitingText>? texts)) return;
        foreach (WaitingText text in texts.Where(text => text.Call == call).ToArray()) Remove(text, texts);
    }

    /// <summary>
    /// Takes the text whose turn it is, and others of its model and of similar length, as many as fit into a batch. There must be a text.
    /// </summary>
    public IReadOnlyList<WaitingText> TakeBatch()
    {
        WaitingText first = First!;
        SortedSet<WaitingText> texts = _byModel[first.Call.Model.Instance];
        WaitingText[] byLength = [.. texts.Take(Window).OrderBy(text => text.Length).ThenBy(text => text.Number)];
        int[] lengths = [.. byLength.Select(text => text.Length)];
        WaitingText[] batch = byLength[BestBatch(lengths, Array.IndexOf(byLength, first), first.Call.Model.BatchTokens)];
        _turn = Math.Max(_turn, first.Turn) + (double)batch.Sum(text => text.Cost) / _textsOf.Count;
        foreach (WaitingText text in batch) Remove(text, texts);
        return batch;
    }

    /// <summary>The range of texts, with a given one among them, that takes the least time for each token.</summary>
    /// <param name="lengths">Ascending.</param>
    /// <param name="given">The place of the text.</param>
    /// <param name="most">Padded tokens that a batch of more than one text may have.</param>
    private static Range BestBatch(int[] lengths, int given, int most)
    {
        (Range Range, double Cost) best = (given..(given + 1), double.PositiveInfinity);
        for (int start = given, before = 0; start >= 0; before += start > 0 ? lengths[start - 1] : 0, start--)
        {
            for (int end = given + 1, tokens = before; end <= lengths.Length; end++)
            {
                tokens += lengths[end - 1];
                int padded = lengths[end - 1] * (end - start);
                if (padded > most && end - start > 1) break;
                double cost = (double)(padded + TokensOfBatch) / tokens;
                if (cost < best.Cost) best = (start..end, cost);
            }
        }
        return best.Range;
    }

    private void Remove(WaitingText text, SortedSet<WaitingText> texts)
    {
        texts.Remove(text);
        Count--;
        Tokens -= text.Cost;
        if (--_textsOf[text.Call] == 0) _textsOf.Remove(text.Call);
        if (texts.Count == 0) _byModel.Remove(text.Call.Model.Instance);
    }
}
