using System.Text.Json.Nodes;
using System.Xml.Linq;
using Xunit;

namespace LlmEmbed.Tests.Cli;

public sealed class ProbeCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Each_depth_and_pooling_that_is_asked_for_is_probed()
    {
        JsonNode[] views = Views(Probe("--depths", "0,1,2", "--pooling", "mean,last", "--json").Succeeded());
        Assert.Equal(["0 mean", "1 mean", "2 mean", "0 last", "1 last", "2 last"], views.Select(view => $"{view["depth"]} {view["pooling"]}"));
        // The words tell the class, so the mean of their embeddings does; the last word alone tells less.
        Assert.InRange((double)views[0]["accuracy"]!, 0.95, 1);
        Assert.InRange((double)views[3]["accuracy"]!, 0.3, 0.95);
    }

    [Fact]
    public void Without_depths_the_candidates_of_training_are_probed_and_drawn()
    {
        string svg = _folder.File("curve.svg");
        ToolResult result = Probe("--svg", svg).Succeeded();
        Assert.Contains("llama-mha, mean-skip-first", result.Output, StringComparison.Ordinal);
        Assert.Contains("least loss", result.Output, StringComparison.Ordinal);
        XElement picture = XDocument.Load(svg).Root!;
        XNamespace ns = "http://www.w3.org/2000/svg";
        Assert.Equal(
            3, picture.Elements(ns + "polyline").Count(line => ((string)line.Attribute("class")!).EndsWith("thick", StringComparison.Ordinal)));
        Assert.Contains(picture.Elements(ns + "text"), text => text.Value == "llama-mha, last");
        Assert.Contains(picture.Elements(ns + "text"), text => text.Value == "llama-mha, attention");
    }

    [Fact]
    public void A_sample_is_taken_if_asked_for()
    {
        JsonNode json = Probe("--depths", "1", "--examples", "24", "--json").Succeeded().Json;
        Assert.Equal(24, (int)json["examples"]!);
    }

    private static JsonNode[] Views(ToolResult result) => [.. result.Json["views"]!.AsArray().Select(view => view!)];

    private ToolResult Probe(params string[] more)
    {
        string data = _folder.File("data.csv");
        File.WriteAllLines(data, ["text,label", .. Requests.Generate(60).Select(example => $"{example.Text},{example.Label}")]);
        return Tool.Run(["probe", "--data", data, "--backbone", Repository.Fixture("llama-mha"), "--cache", "none", .. more]);
    }
}
