using System.Text.Json.Nodes;
using System.Xml.Linq;
using LlmEmbed.Recipes;
using LlmEmbed.Reports;
using Xunit;

namespace LlmEmbed.Tests.Reports;

public sealed class ProbeReportTests
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    [Fact]
    public void Attention_stands_beside_the_other_poolings()
    {
        ProbeReport report = new(
            [Probe("tiny", 1, Pooling.Mean), Probe("tiny", 1, Pooling.Attention, loss: 0.4), Probe("tiny", 2, Pooling.Attention)], TextCount: 60);
        Assert.Equal(
            [
                "Logistic regression on one view at a time, 60 texts, five-fold cross-validation (mean ± deviation of the folds)",
                "The token weights of 'attention' are learned together with the regression, anew for each fold",
                "tiny, mean",
                "  depth   accuracy        macro-F1   log loss",
                "      1    80.0 ±  2.0 %     70.0 %      0.500",
                "tiny, attention",
                "  depth   accuracy        macro-F1   log loss",
                "      1    80.0 ±  2.0 %     70.0 %      0.400   least loss",
                "      2    80.0 ±  2.0 %     70.0 %      0.500",
            ],
            report.ToString().ReplaceLineEndings("\n").Split('\n'));
        JsonArray views = JsonNode.Parse(report.ToJson())!["views"]!.AsArray();
        Assert.Equal(["mean", "attention", "attention"], views.Select(view => (string)view!["pooling"]!));
        Assert.DoesNotContain("learned", new ProbeReport([Probe("tiny", 1, Pooling.Mean)], 60).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Curves_beyond_the_colours_are_dashed_so_that_no_two_look_alike()
    {
        Pooling[] poolings = [Pooling.Mean, Pooling.MeanSkipFirst, Pooling.Last, Pooling.Attention];
        XElement picture = XDocument.Parse(DepthCurve.Draw(
            [.. from backbone in new[] { "a", "b" } from pooling in poolings from depth in new[] { 1, 2 } select Probe(backbone, depth, pooling)],
            chosen: []).Drawing.StandAlone("")).Root!;
        string[] styles =
        [
            .. picture.Elements(Svg + "polyline").Where(line => ((string)line.Attribute("points")!).Split(' ') is [var first, var last]
                && first.Split(',')[0] != last.Split(',')[0]).Select(line => (string)line.Attribute("class")!).Where(style => style.StartsWith('s')),
        ];
        string[] curves = [.. styles.Distinct()];
        Assert.Equal(8, curves.Length);
        Assert.Equal(2, curves.Count(style => style.EndsWith("dashed", StringComparison.Ordinal)));
        Assert.Equal(2, styles.Length - curves.Length); // the legend shows the dashes too
    }

    private static ViewProbe Probe(string backbone, int depth, Pooling pooling, double loss = 0.5) =>
        new(backbone, new View(depth, pooling), Accuracy: 0.8, AccuracyDeviation: 0.02, MacroF1: 0.7, loss, C: 1);
}
