using System.Globalization;
using System.Text.Json.Nodes;
using LlmEmbed.Files;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;

namespace LlmEmbed.Reports;

/// <summary>What each view alone is worth (<see cref="DepthProbe"/>), as text, as JSON and as a picture.</summary>
/// <param name="Probes">The views, in the order of <see cref="DepthProbe.Run"/>.</param>
/// <param name="TextCount">The texts that were probed with.</param>
public sealed record ProbeReport(IReadOnlyList<ViewProbe> Probes, int TextCount)
{
    /// <summary>A table for people, one block for each backbone and pooling.</summary>
    public override string ToString()
    {
        ViewProbe best = Probes.MinBy(probe => probe.LogLoss)!;
        List<string> lines =
        [
            $"Logistic regression on one view at a time, {TextCount:N0} texts, five-fold cross-validation (mean ± deviation of the folds)",
        ];
        if (Probes.Any(probe => probe.View.Pooling == Pooling.Attention))
            lines.Add($"The token weights of '{Poolings.NameOf(Pooling.Attention)}' are learned together with the regression, anew for each fold");
        foreach (IGrouping<(string Backbone, Pooling Pooling), ViewProbe> curve in Probes.GroupBy(probe => (probe.Backbone, probe.View.Pooling)))
        {
            string sampled = curve.First().SampleTexts is int count
                ? string.Create(CultureInfo.InvariantCulture, $", on {count:N0} of the texts: the tokens of more would not fit into memory")
                : "";
            lines.Add($"{curve.Key.Backbone}, {Poolings.NameOf(curve.Key.Pooling)}{sampled}");
            lines.Add("  depth   accuracy        macro-F1   log loss");
            lines.AddRange(curve.Select(probe => string.Create(
                CultureInfo.InvariantCulture,
                $"  {probe.View.Depth,5}   {100 * probe.Accuracy,5:0.0} ± {100 * probe.AccuracyDeviation,4:0.0} %   {100 * probe.MacroF1,6:0.0} %  " +
                $" {probe.LogLoss,8:0.000}") +
                (probe == best ? "   least loss" : "")));
        }
        return string.Join(Environment.NewLine, lines);
    }

    /// <summary>A JSON object with <c>examples</c> and for each of <c>views</c> its backbone, depth, pooling, figures and examples.</summary>
    public string ToJson() => new JsonObject
    {
        ["examples"] = TextCount,
        ["views"] = new JsonArray([.. Probes.Select(probe => new JsonObject
        {
            ["backbone"] = probe.Backbone,
            ["depth"] = probe.View.Depth,
            ["pooling"] = Poolings.NameOf(probe.View.Pooling),
            ["accuracy"] = probe.Accuracy,
            ["accuracy_deviation"] = probe.AccuracyDeviation,
            ["macro_f1"] = probe.MacroF1,
            ["log_loss"] = probe.LogLoss,
            ["c"] = probe.C,
            ["examples"] = probe.SampleTexts ?? TextCount,
        })]),
    }.ToJsonString();

    /// <summary>Writes accuracy over depth as an SVG picture, which appears whole or not at all.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="LlmEmbedException">It cannot be written.</exception>
    public void SaveSvg(string path) =>
        AtomicFile.WriteText(path, DepthCurve.Draw(Probes, chosen: []).Drawing.StandAlone($"Accuracy over depth, {TextCount:N0} texts"));
}
