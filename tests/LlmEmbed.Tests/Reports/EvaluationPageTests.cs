using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using LlmEmbed.Evaluation;
using Xunit;

namespace LlmEmbed.Tests.Evaluation;

public sealed partial class HtmlReportTests
{
    [Fact]
    public void The_page_shows_the_figures_the_facts_and_every_class()
    {
        string page = HtmlReport.Render("Reviews", Report(["good", "bad"]), [("Model", "tiny")]);
        Assert.Contains("<dt>Accuracy</dt><dd>75.0 %<small>30.1 % to 95.4 % (95 %)</small>", page, StringComparison.Ordinal);
        Assert.Contains("<tr><th scope=\"row\">Model</th><td>tiny</td></tr>", page, StringComparison.Ordinal);
        Assert.Contains("<tr><th scope=\"row\">bad</th><td class=\"bar\" style=\"--share:1\">100.0 %</td><td class=\"bar\" style=\"--share:0.5\">50.0 %</td>", page, StringComparison.Ordinal);
        Assert.Contains("<td>bad</td><td>good</td><td class=\"number\">1</td><td class=\"number\">50.0 %</td>", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Text_from_data_is_escaped_everywhere()
    {
        const string Hostile = "<script>alert(\"1\")</script>&'";
        string page = HtmlReport.Render(Hostile, Report([Hostile, "b"]), [(Hostile, Hostile)]);
        Assert.DoesNotContain("<script", page, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(52)]
    public void The_drawings_are_well_formed_and_the_matrix_has_every_count(int classCount)
    {
        string[] labels = [.. Enumerable.Range(0, classCount).Select(c => $"class <{c}> with a name that is rather long")];
        EvaluationReport report = Report(labels);
        string page = HtmlReport.Render("Many", report);
        XElement[] drawings = [.. Drawing().Matches(page).Select(match => XElement.Parse(match.Value))];
        Assert.Equal(2, drawings.Length);
        int[] counts = [.. drawings[0].Elements("g").Select(cell => int.Parse(cell.Element("text")!.Value, CultureInfo.InvariantCulture))];
        Assert.Equal(report.ConfusionMatrix.SelectMany(row => row).Where(count => count > 0), counts);
        Assert.Equal(report.Reliability.Count(bin => bin.Count > 0), drawings[1].Elements("g").Count());
    }

    [Fact]
    public void The_page_needs_no_other_file()
    {
        string page = HtmlReport.Render("Alone", Report(["a", "b"]));
        Assert.DoesNotContain("src=", page, StringComparison.Ordinal);
        Assert.DoesNotContain("href=", page, StringComparison.Ordinal);
        Assert.DoesNotContain("url(", page, StringComparison.Ordinal);
        Assert.Contains("prefers-color-scheme: dark", page, StringComparison.Ordinal);
    }

    [Fact]
    public void A_perfect_classifier_has_no_table_of_errors()
    {
        EvaluationReport perfect = EvaluationReport.Compute(["a", "b"], [0.9, 0.1, 0.2, 0.8], [0, 1]);
        Assert.DoesNotContain("Most frequent errors", HtmlReport.Render("Perfect", perfect), StringComparison.Ordinal);
    }

    /// <summary>Two texts of each class, all right but one of the second class that is taken for the first.</summary>
    private static EvaluationReport Report(string[] labels)
    {
        int count = labels.Length;
        double[] probabilities = new double[2 * count * count];
        int[] truth = [.. Enumerable.Range(0, 2 * count).Select(text => text / 2)];
        for (int text = 0; text < truth.Length; text++)
        {
            int predicted = text == 2 ? 0 : truth[text];
            for (int c = 0; c < count; c++) probabilities[text * count + c] = c == predicted ? 0.6 : 0.4 / (count - 1);
        }
        return EvaluationReport.Compute(labels, probabilities, truth);
    }

    [GeneratedRegex("<svg.*?</svg>", RegexOptions.Singleline, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Drawing();
}
