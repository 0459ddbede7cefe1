using LlmEmbed.Data;

namespace LlmEmbed.Cli;

/// <summary>The columns that predict adds to those of its input, under names that do not collide with them.</summary>
internal sealed class PredictionColumns
{
    private readonly IReadOnlyList<string> _labels;
    private readonly int _top;
    private readonly bool _all;

    private PredictionColumns(IReadOnlyList<string> names, IReadOnlyList<string> labels, int top, bool all)
    {
        Names = names;
        _labels = labels;
        _top = top;
        _all = all;
    }

    /// <summary>All columns of the output, the input's first.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <param name="table">The input; null for texts given as arguments.</param>
    /// <param name="labels">The classifier's labels.</param>
    /// <param name="top">How many labels to rank, or null.</param>
    /// <param name="all">One column per label instead of ranks.</param>
    public static PredictionColumns Choose(TableReader? table, IReadOnlyList<string> labels, int? top, bool all)
    {
        int ranked = all ? 0 : Math.Min(top ?? 0, labels.Count);
        List<string> names = [.. table?.Columns ?? ["text"]];
        Add("predicted_label");
        Add("probability");
        for (int rank = 2; rank <= ranked; rank++)
        {
            Add($"label_{rank}");
            Add($"probability_{rank}");
        }
        if (all) foreach (string label in labels) Add($"p({label})");
        return new PredictionColumns(names, labels, ranked, all);

        void Add(string name)
        {
            while (names.Contains(name, StringComparer.Ordinal)) name += "_";
            names.Add(name);
        }
    }

    /// <summary>The added values; empty labels without probabilities for a text that gave no token.</summary>
    public IEnumerable<TableValue> Values(Prediction prediction)
    {
        yield return prediction.Label;
        yield return prediction.IsEmpty ? default : Number(prediction.Probability);
        for (int rank = 1; rank < _top; rank++)
        {
            yield return prediction.IsEmpty ? "" : prediction.Ranked[rank].Label;
            yield return prediction.IsEmpty ? default : Number(prediction.Ranked[rank].Probability);
        }
        if (!_all) yield break;
        Dictionary<string, double> probabilities = prediction.Ranked.ToDictionary(
            item => item.Label, item => item.Probability, StringComparer.Ordinal);
        foreach (string label in _labels) yield return prediction.IsEmpty ? default : Number(probabilities[label]);
    }

    /// <summary>Six digits: more would be noise of fp32.</summary>
    private static TableValue Number(double probability) => TableValue.Number(Math.Round(probability, 6));
}
