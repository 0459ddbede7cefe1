using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using LlmEmbed.Evaluation;
using LlmEmbed.Learning;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;
using LlmEmbed.Reports;
using Xunit;

namespace LlmEmbed.Tests.Reports;

public sealed partial class EvaluationPageTests
{
    private const string Hostile = "<script>alert(\"1\")</script>&'\u0001\ud83d\ude00\ud83d]]>";

    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    [Fact]
    public void The_page_shows_figures_choices_cost_and_every_class()
    {
        EvaluationReport report = Report(["good", "bad"]);
        string page = new EvaluationPage("Reviews", report) { Choices = [("Head", "tiny")], Cost = [("Peak memory", "1 MB")] }.ToHtml();
        Assert.Contains("<dt>Accuracy</dt><dd>75.0 %<small>95 %: 30.1 to 95.4 %</small>", page, StringComparison.Ordinal);
        Assert.Contains(
            $"<dt>Macro-F1</dt><dd>{Markup.Percent(report.MacroF1)}<small>95 %: {Markup.Percent(report.MacroF1Interval)}</small>",
            page,
            StringComparison.Ordinal);
        Assert.Contains("<tr><th scope=\"row\">Head</th><td>tiny</td></tr>", page, StringComparison.Ordinal);
        Assert.Contains("<tr><th scope=\"row\">Peak memory</th><td>1 MB</td></tr>", page, StringComparison.Ordinal);
        Assert.Equal(["bad", "100.0 %", "50.0 %", "66.7 %", "2"], CellsOf(page, "bad", cellCount: 5));
        Assert.Equal(["bad", "good", "1", "50.0 %"], CellsOf(page, "bad", cellCount: 4));
    }

    [Fact]
    public void Text_from_data_is_escaped_everywhere()
    {
        EvaluationPage page = new(Hostile, Report([Hostile, "b"]))
        {
            Choices = [(Hostile, Hostile)],
            Cost = [(Hostile, Hostile)],
            Selection = Selection(Hostile),
            Texts = [Hostile, Hostile, Hostile, Hostile],
            DoubtedLabels = [new DoubtedLabel(7, Hostile, Hostile, Hostile, 0.9)],
            Attention = [new AttentionSummary(Hostile, 1, [new AttendedWord(Hostile, 2, 2)])],
            Shaded = new ShadedTexts(Hostile, 1, [new ShadedText(Hostile, [(Hostile, 2)])]),
        };
        string html = page.ToHtml();
        Assert.DoesNotContain("<script", html, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain('\u0001', html);
        Assert.Contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;\ufffd&#128512;\ufffd]]&gt;", html, StringComparison.Ordinal);
        foreach (Chart chart in page.Charts)
            Assert.Contains(
                "alert(\"1\")", XDocument.Parse(chart.Drawing.StandAlone(Hostile)).Root!.Element(Svg + "title")!.Value, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(52)]
    [InlineData(150)]
    public void The_pictures_are_well_formed_and_the_matrix_has_every_text(int classCount)
    {
        EvaluationReport report = Report([.. Enumerable.Range(0, classCount).Select(c => $"class <{c}> with a name that is rather long")]);
        EvaluationPage page = new("Many", report) { Selection = Selection("tiny") };
        Assert.Equal(["depth-curve", "classes", "confusion", "reliability", "coverage"], page.Charts.Select(chart => chart.File));
        Assert.Equal(5, EmbeddedDrawing().Matches(page.ToHtml()).Select(match => XElement.Parse(match.Value)).Count());
        Dictionary<string, XElement> pictures = page.Charts.ToDictionary(
            chart => chart.File, chart => XDocument.Parse(chart.Drawing.StandAlone(chart.Title)).Root!);

        int[] counts =
        [
            .. pictures["confusion"].Elements(Svg + "g").Select(cell => int.Parse(cell.Element(Svg + "text")!.Value, CultureInfo.InvariantCulture)),
        ];
        Assert.Equal(report.Count, counts.Sum());
        if (classCount <= 60) Assert.Equal(report.ConfusionMatrix.SelectMany(row => row).Where(count => count > 0), counts);
        Assert.Equal(report.Reliability.Count(bin => bin.Count > 0), pictures["reliability"].Elements(Svg + "g").Count());
        Assert.Equal(classCount, pictures["classes"].Elements(Svg + "g").Count());
        XElement curve = pictures["coverage"].Elements(Svg + "polyline").Last(
            line => ((string)line.Attribute("class")!).StartsWith("right", StringComparison.Ordinal));
        Assert.Equal(report.Coverage.Count, ((string)curve.Attribute("points")!).Split(' ').Length);
        Assert.All(pictures.Values, AssertNothingOutside);
    }

    [Fact]
    public void Of_very_many_classes_those_with_errors_are_kept_in_the_matrix()
    {
        Chart chart = ConfusionChart.Draw(Report([.. Enumerable.Range(0, 150).Select(c => $"c{c}")], wrong: 299));
        XElement picture = XDocument.Parse(chart.Drawing.StandAlone("")).Root!;
        Assert.Contains(picture.Elements(Svg + "text"), text => text.Value == "91 others");
        Assert.Contains(picture.Descendants(Svg + "title"), title => title.Value.StartsWith("c149 predicted as c0: 1 ", StringComparison.Ordinal));
        Assert.Contains("59 classes", chart.Note, StringComparison.Ordinal);
    }

    [Fact]
    public void Mistakes_and_doubted_labels_are_listed_the_surest_first()
    {
        // Texts 0 to 24 of class a are all wrong, each with more confidence than the one before.
        double[] probabilities = [.. Enumerable.Range(0, 30).SelectMany(i => i < 25 ? new[] { 0.4 - i / 100.0, 0.6 + i / 100.0 } : [0.9, 0.1])];
        EvaluationReport report = EvaluationReport.Compute(["a", "b"], probabilities, new int[30]);
        string page = new EvaluationPage("Wrong", report)
        {
            Texts = [.. Enumerable.Range(0, 30).Select(i => $"text {i}.")],
            DoubtedLabels = [.. Enumerable.Range(0, 22).Select(i => new DoubtedLabel(100 + i, $"doubted {i}.", "x", "y", 0.9))],
        }.ToHtml();
        string[] items = [.. Item().Matches(page).Select(match => match.Groups["text"].Value)];
        Assert.Equal([.. Enumerable.Range(0, 20).Select(i => $"text {24 - i}."), .. Enumerable.Range(0, 20).Select(i => $"doubted {i}.")], items);
        Assert.Contains("labelled a, predicted b with 84.0 %", page, StringComparison.Ordinal);
        Assert.Contains("22 texts; the 20 surest:", page, StringComparison.Ordinal);
        Assert.Contains("line 100: labelled x, rather y with 90.0 %", page, StringComparison.Ordinal);
        Assert.Empty(Item().Matches(new EvaluationPage("Private", report).ToHtml()));
    }

    [Fact]
    public void The_page_needs_no_other_file()
    {
        string page = new EvaluationPage("Alone", Report(["a", "b"])) { Selection = Selection("tiny") }.ToHtml();
        foreach (string reference in new[] { "src=", "href=", "url(", "@import", "<script" })
            Assert.DoesNotContain(reference, page, StringComparison.Ordinal);
        Assert.Contains("prefers-color-scheme: dark", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Words_are_shaded_by_attention_and_the_strongest_are_named()
    {
        (string, double)[] words = [("how", 0.9), ("many", 1.5), ("ships", 2.5), ("sank", 4), .. Enumerable.Repeat(("x", 0.1), 57)];
        string page = new EvaluationPage("Shaded", Report(["a", "b"]))
        {
            Attention = [new("tiny", 3, [new("sank", 4, 9), new("ships", 2.5, 4)])],
            Shaded = new("tiny", 3, [new("a", words)]),
        }.ToHtml();
        Assert.Contains(
            "<th scope=\"row\" dir=\"auto\">depth 3 of tiny</th><td dir=\"auto\">sank 4.0, ships 2.5</td>", page, StringComparison.Ordinal);
        Assert.Contains(
            "<li><div dir=\"auto\"><span title=\"0.9 times the attention of an average token\">how</span> " +
            "<span class=\"shade1\" title=\"1.5 times the attention of an average token\">many</span> " +
            "<span class=\"shade2\" title=\"2.5 times the attention of an average token\">ships</span> " +
            "<span class=\"shade3\" title=\"4.0 times the attention of an average token\">sank</span> ",
            page,
            StringComparison.Ordinal);
        Assert.Contains(
            "<span title=\"and 1 more\">…</span></div><small>a; most attention: sank 4.0, ships 2.5, many 1.5</small>",
            page,
            StringComparison.Ordinal);
        Assert.DoesNotContain("attention", new EvaluationPage("Plain", Report(["a", "b"])).ToHtml(), StringComparison.Ordinal);
    }

    /// <summary>The contrast that the guidelines for accessible pages ask for, and shades that grow apart from the paper in brightness.</summary>
    [Fact]
    public void Shaded_words_are_readable_on_light_and_dark_paper()
    {
        MatchCollection themes = ThemeColors().Matches(Theme.Colors);
        Assert.Equal(2, themes.Count);
        foreach (Match theme in themes)
        {
            double[] Color(string name)
            {
                string digits = theme.Groups[name].Value;
                if (digits.Length == 3) digits = string.Concat(digits.Select(digit => $"{digit}{digit}"));
                return [.. Convert.FromHexString(digits).Select(value => (double)value)];
            }

            double[] paper = Color("paper");
            double[] shade = [.. theme.Groups["shade"].Value.Split(' ').Select(part => double.Parse(part, CultureInfo.InvariantCulture))];
            double ink = Luminance(Color("ink")), before = Luminance(paper);
            double[] grounds = [.. Theme.Shades.Select(level => Luminance(
                [.. paper.Zip(shade, (back, front) => back + level.Opacity * (front - back))]))];
            foreach (double ground in grounds)
            {
                Assert.InRange((Math.Max(ink, ground) + 0.05) / (Math.Min(ink, ground) + 0.05), 4.5, 21);
                Assert.InRange((Math.Max(before, ground) + 0.05) / (Math.Min(before, ground) + 0.05), 1.15, 21);
                before = ground;
            }
            Assert.Equal(grounds, ink < 0.5 ? grounds.OrderDescending() : grounds.Order());
        }
    }

    [Fact]
    public void A_perfect_classifier_has_no_table_of_errors_and_no_mistakes()
    {
        EvaluationReport perfect = EvaluationReport.Compute(["a", "b"], [0.9, 0.1, 0.2, 0.8], [0, 1]);
        string page = new EvaluationPage("Perfect", perfect) { Texts = ["x", "y"] }.ToHtml();
        Assert.DoesNotContain("Most frequent errors", page, StringComparison.Ordinal);
        Assert.DoesNotContain("mistakes", page, StringComparison.Ordinal);
    }

    [Fact]
    public void The_depth_curve_marks_what_was_chosen()
    {
        XElement curve = XDocument.Parse(
            new EvaluationPage("", Report(["a", "b"])) { Selection = Selection("tiny") }.Charts[0].Drawing.StandAlone("")).Root!;
        Assert.Equal(
            ["tiny 1:mean: 80.0 % ± 1.0 %", "tiny 2:mean: 90.0 % ± 1.0 %"],
            curve.Elements(Svg + "g").Select(point => point.Element(Svg + "title")!.Value));
        Assert.Equal(
            [false, true],
            curve.Elements(Svg + "g").Select(
                point => ((string)point.Element(Svg + "circle")!.Attribute("class")!).Contains("ring", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("short", 5, "short")]
    [InlineData("rather long", 8, "rather…")]
    [InlineData("ab\ud83d\ude00cd", 4, "ab…")]
    public void A_text_is_shortened_between_characters(string text, int length, string expected) =>
        Assert.Equal(expected, Markup.Shorten(text, length));

    private static void AssertNothingOutside(XElement picture)
    {
        double width = (double)picture.Attribute("width")!, height = (double)picture.Attribute("height")!;
        foreach (XElement shape in picture.Descendants(Svg + "rect").Where(shape => shape.Attribute("x") is not null))
        {
            Assert.InRange((double)shape.Attribute("x")!, 0, width - (double)shape.Attribute("width")! + 1);
            Assert.InRange((double)shape.Attribute("y")!, 0, height - (double)shape.Attribute("height")! + 1);
        }
        foreach (XElement line in picture.Descendants(Svg + "polyline"))
            foreach (string point in ((string)line.Attribute("points")!).Split(' '))
            {
                double[] place = [.. point.Split(',').Select(value => double.Parse(value, CultureInfo.InvariantCulture))];
                Assert.InRange(place[0], 0, width);
                Assert.InRange(place[1], 0, height);
            }
    }

    /// <summary>A choice between two depths, of which the second wins.</summary>
    private static SelectionSummary Selection(string backbone)
    {
        ViewSetScore[] singles = [.. new[] { 0.8, 0.9 }.Select((accuracy, view) =>
            new ViewSetScore(
                [new(backbone, new(view + 1, Pooling.Mean))],
                new PenaltyScore(C: 1, accuracy, AccuracyDeviation: 0.01, MacroF1: 0.7, LogLoss: 1, Temperature: 1, CalibratedLogLoss: 1),
                Cost: 1,
                RowLosses: [1]))];
        FeatureLayout layout = new([new FeatureView(backbone, 1, Pooling.Mean, 0, 4), new FeatureView(backbone, 2, Pooling.Mean, 4, 4)]);
        return new SelectionSummary(layout, new ViewChoice(singles, singles, singles[1], singles[1]), SampleTexts: 10, [], TimeSpan.Zero);
    }

    /// <summary>Two texts of each class, all right but one that is taken for the first class.</summary>
    private static EvaluationReport Report(string[] labels, int wrong = 2)
    {
        int count = labels.Length;
        double[] probabilities = new double[2 * count * count];
        int[] truth = [.. Enumerable.Range(0, 2 * count).Select(text => text / 2)];
        for (int text = 0; text < truth.Length; text++)
        {
            int predicted = text == wrong ? 0 : truth[text];
            for (int c = 0; c < count; c++) probabilities[text * count + c] = c == predicted ? 0.6 : 0.4 / (count - 1);
        }
        return EvaluationReport.Compute(labels, probabilities, truth);
    }

    /// <summary>Of sRGB from 0 to 255, from 0 to 1.</summary>
    private static double Luminance(double[] color)
    {
        double[] linear =
            [.. color.Select(value => value / 255).Select(value => value <= 0.04045 ? value / 12.92 : Math.Pow((value + 0.055) / 1.055, 2.4))];
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    }

    /// <summary>The row of a table by its first cell and the number of its cells.</summary>
    private static string[] CellsOf(string page, string first, int cellCount) =>
        TableRow().Matches(page).Select(row => Cell().Matches(row.Value).Select(cell => cell.Groups["text"].Value).ToArray())
            .First(cells => cells[0] == first && cells.Length == cellCount);

    [GeneratedRegex("<svg.*?</svg>", RegexOptions.Singleline, matchTimeoutMilliseconds: 1000)]
    private static partial Regex EmbeddedDrawing();

    [GeneratedRegex("<li><div dir=\"auto\">(?<text>[^<]*)</div>", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Item();

    [GeneratedRegex(
        @"--ink: #(?<ink>\w+);.*?--paper: #(?<paper>\w+);.*?--shade: (?<shade>[\d ]+);", RegexOptions.Singleline, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ThemeColors();

    [GeneratedRegex("<tr>.*?</tr>", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex TableRow();

    [GeneratedRegex("<t[hd][^>]*>(?<text>[^<]*)<", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Cell();
}
