using LlmEmbed.Engine;
using LlmEmbed.Models;

namespace LlmEmbed.Reading;

/// <summary>The kinds of pooling, one row each: a new kind is a member of <see cref="Pooling"/>, a row here and its test.</summary>
public static class Poolings
{
    private static readonly PoolingKind[] Table =
    [
        new(Pooling.Mean, "mean", "mean over all tokens")
        {
            ReadsFirstToken = true,
            Input = PoolingInput.Weights("mean_weights", (batch, text) => batch.Text(text), (_, count, _) => 1f / count),
            Nodes = pool => pool.WeightedSum(),
        },
        new(Pooling.MeanSkipFirst, "mean-skip-first", "mean over all tokens but the first one")
        {
            Input = PoolingInput.Weights("mean_skip_first_weights", (batch, text) => batch.TextWithoutFirst(text), (_, count, _) => 1f / count),
            Nodes = pool => pool.WeightedSum(),
        },
        new(Pooling.Last, "last", "the last token")
        {
            Input = new(
                "last_position",
                (graph, name) => graph.Input(name, OnnxType.Int64, null, 1, 2),
                (feeds, name, batch) => feeds.Add(name, batch.LastTokens(), batch.Count, 1, 2)),
            Nodes = pool => pool.TokenAt(),
        },
        new(Pooling.First, "first", "the first token: the classification token of encoders")
        {
            ReadsFirstToken = true,
            ReadsPrompt = true,
            Nodes = pool => pool.FirstToken(),
        },
        new(Pooling.Max, "max", "the largest value of each channel over all tokens")
        {
            ReadsFirstToken = true,
            Input = PoolingInput.Bias("max_bias", (batch, text) => batch.Text(text)),
            Nodes = pool => pool.LargestOfChannels(),
        },
        new(Pooling.Pooler, "pooler", "the pooler of BERT, for checkpoints that have one, at the last depth")
        {
            ReadsFirstToken = true,
            ReadsLastDepth = true,
            Nodes = pool => pool.Backbone.Pool(pool.Layers, pool.FirstToken()),
            Refusal = use => !use.Backbone.HasPooler
                ? $"Pooling 'pooler' needs a checkpoint with a pooler; {use.Name} ({use.Backbone.Checkpoint.Config.ModelType}) has none. Use " +
                    "'first' or 'mean'."
                : use.NotAtLastDepth("pooler"),
        },
        new(
            Pooling.MeanWithPads,
            "mean-with-pads",
            "mean over all positions, padding included, as the released LLMEmbed recipe has it (needs a length to pad to)")
        {
            ReadsFirstToken = true,
            Nodes = pool => pool.Graph.Node("ReduceMean", [pool.State, pool.Graph.Constant<long>([1], 1)], ("keepdims", 1)),
            Refusal = use => use.Plan.PadTo is null ? "Pooling 'mean-with-pads' needs a fixed length to pad to (--pad-to)." : null,
        },
        new(Pooling.Attention, "attention", "mean weighted by a query that training learns; it cannot be asked for")
        {
            Input = PoolingInput.Bias("attention_pooling_bias", (batch, text) => batch.Attended(text)),
            Nodes = pool => pool.AttentionSum(),
            Refusal = use => use.Plan.AttentionQueries.Count == 0
                ? "Pooling 'attention' is learned from labelled texts by train, so it cannot be asked for. Use 'mean'."
                : use.Plan.AttentionQueries.All(query => query.Depth != use.Depth)
                ? $"Pooling 'attention' at depth {use.Depth} of {use.Name} needs a query of its own, expected one of the depths " +
                    $"{string.Join(", ", use.Plan.AttentionQueries.Select(query => query.Depth))} that have one."
                : null,
        },
        new(Pooling.WeightedMean, "weighted-mean", "mean over all tokens, later ones weighted more")
        {
            ReadsFirstToken = true,
            Input = PoolingInput.Weights(
                "weighted_mean_weights", (batch, text) => batch.Text(text), (place, count, _) => (place + 1) * 2f / (count * (count + 1f))),
            Nodes = pool => pool.WeightedSum(),
        },
        new(
            Pooling.Sentence, "sentence", "the vector that the repository's authors mean, as sentence-transformers gives it, at the last depth")
        {
            ReadsFirstToken = true,
            ReadsLastDepth = true,
            Nodes = _ => throw new InvalidOperationException("The repository says how it is pooled."), // see SentenceView
            Refusal = use => use.NotAtLastDepth("sentence")
                ?? (use.Plan.PadTo is not null
                ? "Pooling 'sentence' reads texts as long as they are; it cannot be combined with a length to pad to (--pad-to)."
                : use.Plan.Template is string template
                ? $"Pooling 'sentence' takes a prompt that stands before the text, as sentence-transformers does; '{template}' is a template. " +
                    "Leave out {text}."
                : null),
        },
    ];

    /// <summary>The names of all poolings that can be asked for, each with what it computes in a few words.</summary>
    public static IReadOnlyList<(string Name, string Description)> Known { get; } =
        [.. Table.Where(kind => kind.Pooling != Pooling.Attention).Select(kind => (kind.Name, kind.Description))];

    /// <summary>The name of a pooling, as options and files write it, such as <c>mean-skip-first</c>.</summary>
    /// <param name="pooling">The pooling.</param>
    public static string NameOf(Pooling pooling) => Of(pooling).Name;

    /// <summary>The name of a view as depth:pooling, such as <c>18:last</c>.</summary>
    /// <param name="view">The view.</param>
    public static string NameOf(View view) => $"{view.Depth}:{NameOf(view.Pooling)}";

    /// <summary>The pooling of a name.</summary>
    /// <param name="name">As <see cref="NameOf(Pooling)"/> writes it.</param>
    /// <exception cref="LlmEmbedException">There is no pooling of that name.</exception>
    public static Pooling Parse(string name) => Table.FirstOrDefault(kind => kind.Name == name)?.Pooling
        ?? throw new LlmEmbedException($"Pooling '{name}' is not known. Known: {string.Join(", ", Table.Select(kind => kind.Name))}.");

    internal static PoolingKind Of(Pooling pooling) => Table.Single(kind => kind.Pooling == pooling);
}

/// <summary>How a graph makes one vector [H] of the states of a text's tokens.</summary>
internal record TokenPooling
{
    /// <summary>What each run feeds for it; null if the states alone suffice.</summary>
    public PoolingInput? Input { get; init; }

    /// <summary>Adds its nodes to the graph: hidden state [B,T,H] → [B,1,H]. Returns the name of the result.</summary>
    public required Func<PoolingNodes, string> Nodes { get; init; }
}

/// <summary>Everything that is to know about one kind of pooling.</summary>
/// <param name="Pooling">The kind.</param>
/// <param name="Name">As options and files write it.</param>
/// <param name="Description">What it computes, for help texts.</param>
internal sealed record PoolingKind(Pooling Pooling, string Name, string Description) : TokenPooling
{
    /// <summary>Why it cannot be used as planned; null if it can.</summary>
    public Func<PoolingUse, string?> Refusal { get; init; } = _ => null;

    /// <summary>Whether the state of a text's first token takes part. Of a decoder that state says nothing of the text.</summary>
    public bool ReadsFirstToken { get; init; }

    /// <summary>Whether it is made of the states of the last depth alone.</summary>
    public bool ReadsLastDepth { get; init; }

    /// <summary>Whether it reads a token of the prompt before the text, so that the prompt has to go through the blocks with each text.</summary>
    public bool ReadsPrompt { get; init; }
}

/// <summary>A value that each run feeds for a kind of pooling.</summary>
/// <param name="Name">Its name in the graph.</param>
/// <param name="Declare">Declares it.</param>
/// <param name="Feed">Gives its values for one batch.</param>
internal sealed record PoolingInput(string Name, Action<OnnxGraph, string> Declare, Action<GraphFeeds, string, PooledBatch> Feed)
{
    /// <summary>Weights [B,1,T] of the tokens in a sum; 0 for those that take no part.</summary>
    public static PoolingInput Weights(string name, Func<PooledBatch, int, Range> tokens, TokenWeight weight) => new(
        name,
        (graph, input) => graph.Input(input, OnnxType.Float, null, 1, null),
        (feeds, input, batch) => feeds.Add(input, batch.PerToken(tokens, weight, elsewhere: 0f), batch.Count, 1, batch.Length));

    /// <summary>A bias [B,T,1] that takes all other tokens out of a maximum or a softmax.</summary>
    public static PoolingInput Bias(string name, Func<PooledBatch, int, Range> tokens, float elsewhere = float.NegativeInfinity) => new(
        name,
        (graph, input) => graph.Input(input, OnnxType.Float, null, null, 1),
        (feeds, input, batch) =>
            feeds.Add(input, batch.PerToken(tokens, (_, _, _) => 0f, elsewhere), batch.Count, batch.Length, 1));
}

/// <summary>The weight of a token in a sum.</summary>
/// <param name="place">Its place among the tokens that take part, counted from 0.</param>
/// <param name="count">How many these are.</param>
/// <param name="first">How many tokens of the text stand before them.</param>
internal delegate float TokenWeight(int place, int count, int first);

/// <summary>Where a kind of pooling adds its nodes.</summary>
/// <param name="Layers">The layers, and the graph that they write into.</param>
/// <param name="Backbone">The architecture.</param>
/// <param name="State">Name of the hidden state [B,T,H].</param>
/// <param name="Input">Name of the kind's own input; empty if it has none.</param>
/// <param name="AttentionQuery">[H], for <see cref="Pooling.Attention"/>.</param>
internal sealed record PoolingNodes(Layers Layers, Backbone Backbone, string State, string Input, float[]? AttentionQuery)
{
    public OnnxGraph Graph => Layers.Graph;

    /// <summary>The first token's state: [B,T,H] → [B,1,H].</summary>
    public string FirstToken() => Graph.Node("Gather", [State, Graph.Constant<long>([0], 1)], ("axis", 1));

    /// <summary>The state of the token whose position [B,1,2] is the input: [B,T,H] → [B,1,H].</summary>
    public string TokenAt() => Graph.Node("GatherND", [State, Input]);

    /// <summary>The largest value of each channel, the input being added to all states: [B,T,H] → [B,1,H].</summary>
    public string LargestOfChannels() =>
        Graph.Node("ReduceMax", [Graph.Node("Add", [State, Input]), Graph.Constant<long>([1], 1)], ("keepdims", 1));

    /// <summary>The sum of the states, weighted by the input: [B,1,T]·[B,T,H] → [B,1,H].</summary>
    public string WeightedSum() => Graph.Node("MatMul", [Input, State]);

    /// <summary>The sum of the states, weighted by the softmax of their products with the query: [B,T,H] → [B,1,H].</summary>
    public string AttentionSum()
    {
        string scores = Graph.Node("MatMul", [State, Graph.Constant<float>(AttentionQuery!, Backbone.HiddenSize, 1)]);
        string weights = Graph.Node("Softmax", [Graph.Node("Add", [scores, Input])], ("axis", 1)); // [B,T,1]
        return Graph.Node("MatMul", [Graph.Node("Transpose", [weights], ("perm", [0L, 2, 1])), State]);
    }
}

/// <summary>A pooling as it is planned, to be checked.</summary>
/// <param name="Name">The backbone's name, for messages.</param>
/// <param name="Backbone">The architecture.</param>
/// <param name="Plan">Everything that is read of it.</param>
/// <param name="Depth">The depth at which the pooling is asked for.</param>
internal sealed record PoolingUse(string Name, Backbone Backbone, BackbonePlan Plan, int Depth)
{
    /// <summary>Why a pooling of the last depth cannot be used at another one; null if it is the last one.</summary>
    public string? NotAtLastDepth(string pooling) => Depth == Backbone.BlockCount
        ? null
        : $"Pooling '{pooling}' reads the last depth only, which is {Backbone.BlockCount} for {Name}; depth {Depth} was asked for.";
}

/// <summary>The texts of a batch as poolings see them: positions among the tokens that go through the blocks.</summary>
/// <param name="Ids">Token ids of the B texts.</param>
/// <param name="Length">T, padding included.</param>
/// <param name="Prompt">What stands around every text.</param>
/// <param name="PrefixLength">Tokens at the beginning of every text that were read before and do not go through the blocks.</param>
/// <param name="IsCausal">Whether a token sees only the tokens before it.</param>
internal sealed record PooledBatch(IReadOnlyList<int[]> Ids, int Length, PromptSpan Prompt, int PrefixLength, bool IsCausal)
{
    /// <summary>What stands around a text where <see cref="Pooling.Sentence"/> pools it.</summary>
    public PromptSpan SentencePrompt { get; init; }

    /// <summary>B.</summary>
    public int Count => Ids.Count;

    /// <summary>The tokens of a text.</summary>
    public Range Text(int text) => BehindPrefix(Prompt.Text(Ids[text].Length));

    /// <summary>The tokens of a text without the first token of all, unless there is no other.</summary>
    public Range TextWithoutFirst(int text) => BehindPrefix(Prompt.TextWithoutFirst(Ids[text].Length));

    /// <summary>The tokens that attention pooling chooses among.</summary>
    public Range Attended(int text) => BehindPrefix(Prompt.Attended(Ids[text].Length, IsCausal));

    /// <summary>The tokens of a text that a repository of sentence-transformers pools.</summary>
    public Range Sentence(int text) => BehindPrefix(SentencePrompt.Text(Ids[text].Length));

    /// <summary>[B,2], for each text its index and the position of the first token that is pooled, or of its last one if none is.</summary>
    public long[] FirstOfSentences() =>
        [.. Ids.SelectMany((ids, text) => new long[] { text, Math.Min(SentencePrompt.Before, ids.Length - 1) - PrefixLength })];

    /// <summary>[B,2], for each text its index and the position of its last token.</summary>
    public long[] LastTokens() => [.. Ids.SelectMany((ids, text) => new long[] { text, ids.Length - PrefixLength - 1 })];

    /// <summary>[B,T]: a value for some tokens of each text.</summary>
    public float[] PerToken(Func<PooledBatch, int, Range> tokens, TokenWeight value, float elsewhere)
    {
        float[] values = new float[Count * Length];
        Array.Fill(values, elsewhere);
        for (int text = 0; text < Count; text++)
        {
            Range range = tokens(this, text);
            Span<float> own = values.AsSpan(text * Length, Length)[range];
            for (int token = 0; token < own.Length; token++) own[token] = value(token, own.Length, range.Start.Value + PrefixLength);
        }
        return values;
    }

    private Range BehindPrefix(Range tokens) => (tokens.Start.Value - PrefixLength)..(tokens.End.Value - PrefixLength);
}
