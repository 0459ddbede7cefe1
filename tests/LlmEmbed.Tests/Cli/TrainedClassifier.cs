using System.Text.Json.Nodes;

namespace LlmEmbed.Tests.Cli;

/// <summary>A classifier on two fixture backbones, trained once by the tool for all tests that only use it.</summary>
public sealed class TrainedClassifier : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public TrainedClassifier()
    {
        Data = _folder.Write("train.csv", LabeledTexts.Csv(LabeledTexts.Take(60)));
        Model = _folder.File("model");
        Training = Tool.Run(
            "train", "--data", Data, "--output", Model, "--backbone", Repository.Fixture("llama-mha"), "--backbone", Repository
                .Fixture("bert"), "--cache", "none", "--json").Succeeded().Json;
    }

    public string Data { get; }

    public string Model { get; }

    /// <summary>What <c>train --json</c> printed.</summary>
    public JsonNode Training { get; }

    public void Dispose() => _folder.Dispose();
}
