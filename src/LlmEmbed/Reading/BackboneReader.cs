using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using LlmEmbed.Engine;
using LlmEmbed.Models;
using LlmEmbed.Tokenization;

namespace LlmEmbed.Reading;

/// <summary>An open backbone with a plan: texts → pooled hidden states [N,D,H]. What is compiled is compiled when the first text needs it.</summary>
internal sealed class BackboneReader : IDisposable
{
    /// <summary>
    /// The format of what the store keeps; part of the fingerprint, so that a change of the mathematics never meets old embeddings.
    /// </summary>
    private const string FormatVersion = "2";

    private readonly TextPreparation _preparation;
    private readonly EncoderEngine _engine;
    private readonly EngineReader _computing;
    private readonly StoredReader? _storing;
    private bool _isDisposed;

    /// <param name="backbone">Must outlive the reader.</param>
    /// <param name="plan">What to read; a precision that is left open is chosen here.</param>
    /// <param name="runtime">How it runs.</param>
    /// <param name="work">Told about quantization, if a precision has to be chosen.</param>
    /// <exception cref="LlmEmbedException">The backbone does not have what the plan asks for.</exception>
    public BackboneReader(OpenBackbone backbone, BackbonePlan plan, RuntimeOptions runtime, Work work = default)
    {
        (Backbone, Threads) = (backbone, runtime.Threads ?? Cores.Usable);
        Check(backbone, plan);
        Row = backbone.RowOf(plan.Views);
        _preparation = new TextPreparation(backbone, plan, runtime.Threads);
        _engine = new EncoderEngine(backbone, plan, _preparation, runtime, work);
        Plan = plan with { Precision = _engine.Precision };
        _computing = new EngineReader(_engine, backbone.Model, Plan, Row.Length);
        if (runtime.CacheFolder is string folder) _storing = new StoredReader(_computing, folder, FingerprintOf, Row, HiddenSize);
    }

    public OpenBackbone Backbone { get; }

    /// <summary>What is read, in the precision that was chosen.</summary>
    public BackbonePlan Plan { get; }

    /// <summary>What tells the backbone's features from those of others, and from its own with a prompt.</summary>
    public string Name => Backbone.NameWith(Plan.Prompt);

    /// <summary>Whether more stands around texts than what a decoder needs before them.</summary>
    public bool IsPrompted => Backbone.IsPrompt(Plan.Prompt);

    /// <summary>Whether anything stands before a text: a special token or a prompt.</summary>
    public bool IsFramed => _preparation.HasTokensBefore;

    /// <summary>Threads of the engine.</summary>
    public int Threads { get; }

    /// <summary>H.</summary>
    public int HiddenSize => Backbone.Model.HiddenSize;

    /// <summary>Where the D views of a text stand.</summary>
    public ViewRow Row { get; }

    /// <summary>Numbers of a text: D × H, unless the size of a view is not H.</summary>
    public int RowLength => Row.Length;

    /// <summary>Weights of the blocks that a text passes.</summary>
    public long ParameterCount => Backbone.Model.ParameterCount(Plan.Depth);

    /// <summary>Why the precision was chosen, in words for people; empty if it was asked for.</summary>
    public string PrecisionReason => _engine.Reason;

    public MemoryPlan MemoryPlan => _engine.Plan;

    /// <summary>
    /// Padded tokens that are best computed together: a batch, or what passes through the blocks together where these are loaded in turn.
    /// </summary>
    public int BatchTokens => MemoryPlan.IsStreamed ? MemoryPlan.TextTokens : Backbone.Model.BatchTokens;

    /// <summary>Whether several threads may each compute a batch of its own at the same time.</summary>
    public bool CanShareThreads => _engine.CanShareThreads;

    /// <summary>What was found damaged in the store so far and set aside, each as one sentence for people.</summary>
    public IReadOnlyList<string> Damages => _storing?.Damages ?? [];

    /// <summary>What decides the bits of the pooled states.</summary>
    public EncoderFingerprint Fingerprint => FingerprintOf(null);

    /// <summary>What decides the bits of the states of tokens at a depth.</summary>
    public EncoderFingerprint TokenFingerprint(int depth) => FingerprintOf(depth);

    /// <summary>Makes ready what the first text would otherwise wait for.</summary>
    public void WarmUp(Work work) => _engine.WarmUp(work);

    /// <summary>What needs no engine, and so can be done while one is at work.</summary>
    public PreparedTexts Prepare(IReadOnlyList<string> texts, CancellationToken cancellationToken) => _preparation.Prepare(texts, cancellationToken);

    /// <summary>Reads texts into rows that the caller has, and their tokens' states if it wants them. Thread-safe.</summary>
    public EncodingStatistics Read(
        IReadOnlyList<string> texts,
        RowTarget rows,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken,
        TokenRows? tokenRows = null)
    {
        long start = Stopwatch.GetTimestamp();
        EncodingStatistics statistics = Read(Prepare(texts, cancellationToken), rows, new Work(progress, cancellationToken), tokenRows);
        return statistics with { Elapsed = Stopwatch.GetElapsedTime(start) };
    }

    /// <summary>Reads prepared texts: every distinct text once, in the order of its first appearance.</summary>
    public EncodingStatistics Read(PreparedTexts texts, RowTarget rows, Work work, TokenRows? tokenRows = null)
    {
        // The checkpoint is mapped memory: reading it after it is unmapped would end the process.
        ObjectDisposedException.ThrowIf(_isDisposed || Backbone.IsDisposed, this);
        long start = Stopwatch.GetTimestamp();
        (TokenizedText[] tokens, TextKey[] keys, bool[] areEmpty) = texts;
        int[] distinct = [.. Enumerable.Range(0, keys.Length).DistinctBy(i => keys[i]).Where(i => tokens[i].Ids.Length > 0)];
        ReadingProgress reading = new(work.Progress, $"Reading {Backbone.Name}", distinct.Length);
        StateTargets targets = new(rows, tokenRows ?? TokenRows.None);
        if (targets.Tokens.Depths.Any(depth => depth < 0 || depth > Plan.Depth))
            throw new ArgumentException($"Token states are read at depths up to {Plan.Depth}, the deepest one of a view.", nameof(tokenRows));
        ReadCost cost = ((IStateReader?)_storing ?? _computing).Read(texts, distinct, targets, reading, work);
        RepeatRows(texts, targets);
        return new EncodingStatistics(
            keys.Length,
            reading.Computed,
            distinct.Length - reading.Computed,
            tokens.Count(text => text.Truncated),
            cost.Tokens,
            cost.PaddedTokens,
            Stopwatch.GetElapsedTime(start),
            [.. Enumerable.Range(0, keys.Length).Where(i => tokens[i].Ids.Length == 0)])
        {
            TextsOfSpecialTokens = [.. Enumerable.Range(0, keys.Length).Where(i => areEmpty[i] && tokens[i].Ids.Length > 0)],
            InputTokens = tokens.Sum(text => (long)text.Ids.Length),
        };
    }

    /// <summary>Reads prepared texts into new rows [N,D,H]. All views must have the same size.</summary>
    public TextEmbeddings Read(PreparedTexts texts, Work work)
    {
        float[] values = new float[checked(texts.Keys.Length * RowLength)]; // [N,D,H]
        EncodingStatistics statistics = Read(texts, text => values.AsSpan(text * RowLength, RowLength), work);
        return new TextEmbeddings(Plan.Views, Row.CommonSize!.Value, values, statistics);
    }

    /// <summary>The backbone as it is read, with what reading met and cost.</summary>
    public BackboneReading Describe(EncodingStatistics statistics) =>
        new(Name, Plan.Views, Backbone.Model.BlockCount, Plan.MaxTokens, Plan.Precision, statistics)
        {
            PrecisionReason = PrecisionReason,
            Lead = Plan.Lead,
            Warnings =
            [
                .. Backbone.Notes.Select(note => new Warning(WarningKind.Configuration, note)),
                .. Damages.Select(damage => new Warning(WarningKind.DamagedStore, damage)),
                .. statistics.TruncatedTexts > 0
                    ?
                    [
                        new Warning(
                            WarningKind.TruncatedTexts,
                            $"{statistics.TruncatedTexts:N0} of {statistics.Texts:N0} texts were longer than {Plan.MaxTokens} tokens and lost " +
                            "their end."),
                    ]
                    : Array.Empty<Warning>(),
            ],
        };

    /// <summary>For each text the number of tokens whose states <see cref="TokenRows"/> takes.</summary>
    public int[] AttendedCounts(IReadOnlyList<string> texts) => _preparation.AttendedCounts(texts, CancellationToken.None);

    /// <summary>For each text its words, by the tokens whose states <see cref="TokenRows"/> takes: each of these is in one word.</summary>
    public IReadOnlyList<TokenWord>[] WordsOf(IReadOnlyList<string> texts) => _preparation.WordsOf(texts, CancellationToken.None);

    /// <summary>The mean number of tokens of a text that go through the blocks.</summary>
    public double TokensPerText(IReadOnlyList<string> texts) =>
        _preparation.Tokenize(texts, CancellationToken.None).Average(text => (double)(text.Ids.Length - _engine.PrefixLengthOf(text.Ids)));

    /// <summary>For each batch that these texts would make the tokens of its texts.</summary>
    public IEnumerable<int[]> PlannedLengths(IReadOnlyList<string> texts) => _computing.PlannedLengths(Prepare(texts, CancellationToken.None));

    /// <summary>The backbone's layers in the plan's precision, for another graph of the same blocks. The reader must outlive its session.</summary>
    public Layers NewLayers() => _engine.NewLayers();

    public void Dispose()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        ((IStateReader?)_storing ?? _computing).Dispose();
    }

    /// <summary>Gives repeated texts the rows of their first appearance.</summary>
    private static void RepeatRows(PreparedTexts texts, StateTargets targets)
    {
        Dictionary<TextKey, int> firstOf = [];
        foreach ((int text, TextKey key) in texts.Keys.Index())
        {
            if (texts.Tokens[text].Ids.Length == 0 || firstOf.TryAdd(key, text)) continue;
            targets.Rows(firstOf[key]).CopyTo(targets.Rows(text));
            foreach (int depth in targets.Tokens.Depths) targets.Tokens.Of(firstOf[key], depth).CopyTo(targets.Tokens.Of(text, depth));
        }
    }

    /// <summary>Refuses a plan that the backbone cannot be read by.</summary>
    /// <exception cref="LlmEmbedException">It does not have what the plan asks for.</exception>
    public static void Check(OpenBackbone backbone, BackbonePlan plan)
    {
        Backbone model = backbone.Model;
        if (plan.Views.Count == 0) throw new LlmEmbedException("No depth and pooling to keep: name at least one.");
        if (plan.ReadsSentence) _ = backbone.Sentence; // refuses what is not implemented
        foreach (View view in plan.Views)
        {
            if (view.Depth < 0 || view.Depth > model.BlockCount)
                throw new LlmEmbedException($"Depth {view.Depth} is outside 0..{model.BlockCount}, the depths of {backbone.Name}.");
            if (Poolings.Of(view.Pooling).Refusal(new PoolingUse(backbone.Name, model, plan, view.Depth)) is string refusal)
                throw new LlmEmbedException(refusal);
        }
        CheckQueries(backbone, plan);
        if (plan.MaxTokens < 1 || plan.MaxTokens > model.MaxTokens)
            throw new LlmEmbedException($"At most {plan.MaxTokens} tokens were asked for; {backbone.Name} has positions for 1 to {model.MaxTokens}.");
        if (plan.PadTo is int padTo) CheckPadding(backbone, plan, padTo);
    }

    /// <summary>Refuses a plan whose views do not have the same size, since they go into one table.</summary>
    /// <exception cref="LlmEmbedException">They have not, or the backbone does not have what the plan asks for.</exception>
    public static void RequireOneTable(OpenBackbone backbone, BackbonePlan plan)
    {
        Check(backbone, plan);
        if (backbone.RowOf(plan.Views) is { CommonSize: null } row)
            throw new LlmEmbedException(
                $"The views of {backbone.Name} have {string.Join(", ", row.Sizes)} numbers, expected the same size of all, since they go into one " +
                "table. Read the pooling 'sentence' in a run of its own.");
    }

    private static void CheckQueries(OpenBackbone backbone, BackbonePlan plan)
    {
        int size = backbone.Model.HiddenSize;
        foreach (AttentionQuery query in plan.AttentionQueries)
        {
            string what = $"The query of attention pooling at depth {query.Depth} of {backbone.Name}";
            if (query.Values.Length != size)
                throw new LlmEmbedException($"{what} has {query.Values.Length} numbers, expected {size}, as the hidden states have.");
            if (plan.AttentionQueries.Count(other => other.Depth == query.Depth) > 1)
                throw new LlmEmbedException($"{what} is given more than once, expected one query for each depth.");
        }
    }

    private static void CheckPadding(OpenBackbone backbone, BackbonePlan plan, int padTo)
    {
        Backbone model = backbone.Model;
        string source = backbone.Checkpoint.Config.Source;
        if (padTo < plan.MaxTokens || padTo > model.MaxTokens)
            throw new LlmEmbedException(
                $"Texts cannot be padded to {padTo} tokens: expected at least the {plan.MaxTokens} tokens that texts may have and at most the " +
                $"{model.MaxTokens} positions of {backbone.Name}.");
        if (model.PadId >= model.VocabularySize)
            throw new LlmEmbedException(
                $"{source}: 'pad_token_id' is {model.PadId}, but the model has embeddings for {model.VocabularySize} tokens only; padding to a " +
                "fixed length needs one.")
            { FilePath = source };
        if (plan.Prompt is not null)
            throw new LlmEmbedException(
                "A prompt and padding to a fixed length (--pad-to) cannot be combined: the released recipe that pads has no prompt.");
    }

    /// <summary>Everything that decides an embedding's bits.</summary>
    /// <param name="tokensAt">Of the token states at this depth; null for the pooled states.</param>
    private EncoderFingerprint FingerprintOf(int? tokensAt) => new(
    [
        ("format", FormatVersion),
        ("model_type", Backbone.Checkpoint.Config.ModelType),
        ("weights_sha256", Backbone.WeightsSha256),
        ("tokenizer_sha256", Backbone.TokenizerSha256),
        ("views", tokensAt is int depth ? $"{depth}:tokens" : string.Join(' ', Plan.Views.Select(Poolings.NameOf))),
        ("max_tokens", Plan.MaxTokens.ToString()),
        ("pad_to", Plan.PadTo?.ToString() ?? ""),
        ("prompt", Plan.Prompt ?? ""),
        ("precision", Plan.Precision == Precision.Int8 ? $"int8, scheme {Int8Weights.Scheme}" : PrecisionNames.NameOf(Plan.Precision)),
        .. tokensAt is null && Plan.ReadsSentence ? [("sentence_sha256", Backbone.Sentence.Sha256)] : Array.Empty<(string, string)>(),
        // A decoder's text of one token is read in two ways: as it stands, and behind a line break.
        .. tokensAt is not null || Backbone.Model.IsCausal ? [("lead", _preparation.LeadToken?.ToString() ?? "")] : Array.Empty<(string, string)>(),
        // The states of tokens at a depth do not depend on the views that are kept beside them.
        .. tokensAt is null && Plan.AttentionQueries.Count > 0
            ? [("attention_queries", string.Join(' ', Plan.AttentionQueries.OrderBy(query => query.Depth).Select(NameOf)))]
            : Array.Empty<(string, string)>(),
    ]);

    private static string NameOf(AttentionQuery query) =>
        $"{query.Depth}:{Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes<float>(query.Values)))}";
}
