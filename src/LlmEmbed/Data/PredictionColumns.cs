namespace LlmEmbed.Data;

/// <summary>
/// The columns of a table of predictions: those of its input, and behind them what a classifier says, under names that are not taken.
/// </summary>
/// <example>
/// <code>
/// PredictionColumns columns = new(table.Columns, classifier.Labels, top: 3);
/// using TableWriter output = TableWriter.Create("predictions.parquet", columns.Names, numbers: columns.Numbers);
/// output.Write([.. row.Fields, .. columns.Values(prediction)]);
/// </code>
/// </example>
public sealed class PredictionColumns
{
    private readonly IReadOnlyList<string> _labels;
    private readonly int _ranks;
    private readonly bool _hasAll;

    /// <param name="inputNames">The names of the columns that are carried through from the input.</param>
    /// <param name="labels">The classifier's labels.</param>
    /// <param name="top">How many of the most probable labels to give with their probabilities; at least the first is given.</param>
    /// <param name="all">Whether to give a column with the probability of each label, in place of labels behind the first.</param>
    public PredictionColumns(IReadOnlyList<string> inputNames, IReadOnlyList<string> labels, int top = 1, bool all = false)
    {
        ArgumentNullException.ThrowIfNull(inputNames);
        ArgumentNullException.ThrowIfNull(labels);
        (_labels, _ranks, _hasAll) = (labels, all ? 1 : Math.Min(top, labels.Count), all);
        List<string> names = [.. inputNames], numbers = [];
        Add("predicted_label");
        AddNumber("probability");
        for (int rank = 2; rank <= _ranks; rank++)
        {
            Add($"label_{rank}");
            AddNumber($"probability_{rank}");
        }
        if (all) foreach (string label in labels) AddNumber($"p({label})");
        (Names, Numbers) = (names, numbers);

        void Add(string name)
        {
            while (names.Contains(name, StringComparer.Ordinal)) name += "_";
            names.Add(name);
        }

        void AddNumber(string name)
        {
            Add(name);
            numbers.Add(names[^1]);
        }
    }

    /// <summary>All columns, the input's first.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>The names of those among the added ones that hold probabilities.</summary>
    public IReadOnlyList<string> Numbers { get; }

    /// <summary>
    /// The values behind those of the input: probabilities with six digits, since more would be noise of fp32; for a text that gave no token, empty
    /// labels without probabilities.
    /// </summary>
    public IEnumerable<TableValue> Values(Prediction prediction)
    {
        ArgumentNullException.ThrowIfNull(prediction);
        return ValuesOf(prediction);
    }

    private IEnumerable<TableValue> ValuesOf(Prediction prediction)
    {
        yield return prediction.Label;
        yield return Number(prediction, prediction.Probability);
        for (int rank = 1; rank < _ranks; rank++)
        {
            LabelProbability ranked = prediction.IsEmpty ? new("", 0) : prediction.Ranked[rank];
            yield return ranked.Label;
            yield return Number(prediction, ranked.Probability);
        }
        if (!_hasAll) yield break;
        Dictionary<string, double> probabilities = prediction.Ranked.ToDictionary(
            item => item.Label, item => item.Probability, StringComparer.Ordinal);
        foreach (string label in _labels) yield return Number(prediction, probabilities.GetValueOrDefault(label));
    }

    private static TableValue Number(Prediction prediction, double probability) =>
        prediction.IsEmpty ? default : TableValue.Number(Math.Round(probability, 6));
}
