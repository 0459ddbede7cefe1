using System.Globalization;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;

namespace LlmEmbed;

/// <summary>Which views of a backbone are kept: the default ones, the candidates, given ones, or every given pooling at every given depth.</summary>
public sealed record ViewSelection
{
    private const string Syntax = "Write depths as 0,8,15 (numbers), -1 (counted from the last), 50% (of all blocks), last5 (the last five) or all.";

    private readonly IReadOnlyList<View>? _views;
    private readonly string? _depths;
    private readonly IReadOnlyList<Pooling>? _poolings;
    private readonly bool _isCandidates;

    private ViewSelection(IReadOnlyList<View>? views, string? depths, IReadOnlyList<Pooling>? poolings, bool isCandidates = false) =>
        (_views, _depths, _poolings, _isCandidates) = (views, depths, poolings, isCandidates);

    private bool IsTextVector { get; init; }

    /// <summary>
    /// Views from the middle of the network, where small models carry most of what classifiers need: for a decoder of L blocks
    /// <see cref="Pooling.MeanSkipFirst"/> at L/2 and 4L/5 and <see cref="Pooling.Last"/> at 3L/5, for an encoder <see cref="Pooling.Mean"/> at 2L/3
    /// and L. With few blocks some of these coincide and are kept once.
    /// </summary>
    public static ViewSelection Default { get; } = new(null, null, null);

    /// <summary>
    /// The views among which <see cref="Recipe.Automatic"/> chooses. They are many, so that all of them together are of use only for comparing views.
    /// </summary>
    public static ViewSelection Candidates { get; } = new(null, null, null, isCandidates: true);

    /// <summary>
    /// The one view that stands for a text: <see cref="Pooling.Sentence"/> where the repository says what a text's vector is (a modules.json, or the
    /// pooling in a GGUF file), else the deepest view of <see cref="Default"/>.
    /// </summary>
    public static ViewSelection TextVector { get; } = new(null, null, null) { IsTextVector = true };

    /// <summary>These views exactly, in this order.</summary>
    /// <param name="views">At least one; their depths are checked when the backbone is opened.</param>
    public static ViewSelection Of(params IReadOnlyList<View> views) => new(views, null, null);

    /// <summary>Every pooling at every depth.</summary>
    /// <param name="depths">
    /// A comma-separated list of: a number, a negative number counted from the last depth, a share of the blocks (<c>50%</c>), <c>last5</c> (the last
    /// five), <c>all</c>. Null takes the depths of <see cref="Default"/>.
    /// </param>
    /// <param name="poolings">Null takes the default for the architecture: <see cref="Pooling.MeanSkipFirst"/> for decoders,
    /// <see cref="Pooling.Mean"/> for encoders.</param>
    public static ViewSelection At(string? depths, IReadOnlyList<Pooling>? poolings = null) =>
        depths is null && poolings is null ? Default : new(null, depths, poolings);

    /// <summary>The views for a backbone of L blocks.</summary>
    /// <param name="isCausal">Whether a token sees only the tokens before it.</param>
    /// <param name="blockCount">L.</param>
    /// <param name="sentence">How the repository means texts to become vectors; asked by <see cref="TextVector"/> only.</param>
    /// <exception cref="LlmEmbedException">The text is no list of depths, or a depth is outside 0..L.</exception>
    internal IReadOnlyList<View> Resolve(bool isCausal, int blockCount, Func<SentenceView>? sentence = null)
    {
        if (_views is not null) return _views;
        if (_isCandidates) return CandidateViews.Of(isCausal, blockCount);
        IReadOnlyList<View> defaults = DefaultViews(isCausal, blockCount);
        if (IsTextVector) return [sentence?.Invoke().Declared is null ? defaults[^1] : new View(blockCount, Pooling.Sentence)];
        if (_depths is null && _poolings is null) return defaults;
        IReadOnlyList<Pooling> poolings = _poolings ?? [isCausal ? Pooling.MeanSkipFirst : Pooling.Mean];
        if (_depths is not null)
            return [.. ParseDepths(_depths, blockCount).SelectMany(depth => poolings.Select(pooling => new View(depth, pooling)))];
        return
        [
            .. poolings.SelectMany(pooling => Poolings.Of(pooling).ReadsLastDepth
                ? [new View(blockCount, pooling)]
                : defaults.Select(view => new View(view.Depth, pooling)).Distinct()),
        ];
    }

    private static View[] DefaultViews(bool isCausal, int blockCount)
    {
        int At(double share) => (int)Math.Round(share * blockCount, MidpointRounding.AwayFromZero);
        View[] views = isCausal
            ? [new(At(1.0 / 2), Pooling.MeanSkipFirst), new(At(3.0 / 5), Pooling.Last), new(At(4.0 / 5), Pooling.MeanSkipFirst)]
            : [new(At(2.0 / 3), Pooling.Mean), new(blockCount, Pooling.Mean)];
        return [.. views.Distinct()];
    }

    private static List<int> ParseDepths(string text, int blockCount)
    {
        List<int> depths = [];
        foreach (string part in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            foreach (int depth in ParsePart(part, text, blockCount))
            {
                if (depth < 0 || depth > blockCount)
                    throw new LlmEmbedException($"Depth '{part}' is outside 0..{blockCount}, the depths of this backbone.");
                if (!depths.Contains(depth)) depths.Add(depth);
            }
        }
        return depths.Count > 0 ? depths : throw new LlmEmbedException($"No depth in '{text}'. {Syntax}");
    }

    private static IEnumerable<int> ParsePart(string part, string text, int blockCount)
    {
        if (part == "all") return Enumerable.Range(0, blockCount + 1);
        if (part.StartsWith("last", StringComparison.Ordinal) && TryParse(part[4..], out int count) && count > 0)
            return count <= blockCount + 1
                ? Enumerable.Range(blockCount - count + 1, count)
                : throw new LlmEmbedException($"'{part}' asks for {count} depths; this backbone has {blockCount + 1}.");
        if (part.EndsWith('%') && TryParse(part[..^1], out int percent) && percent is >= 0 and <= 100)
            return [(int)Math.Round(percent / 100.0 * blockCount, MidpointRounding.AwayFromZero)];
        if (TryParse(part, out int depth)) return [depth < 0 ? blockCount + 1 + depth : depth];
        throw new LlmEmbedException($"'{part}' in depths '{text}' is not understood. {Syntax}");
    }

    private static bool TryParse(string text, out int value) =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);
}
