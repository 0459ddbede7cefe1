using System.Text.Json;
using System.Text.Json.Nodes;
using Xunit;

namespace LlmEmbed.Tests.Cli;

/// <summary>The released LLMEmbed recipe and its repair, from the command line to a saved classifier.</summary>
public sealed class ReferenceRecipeTests : IDisposable
{
    private const float Sigma = 0.05f;

    /// <summary>Texts of the golden file that no model's limit shortens and that are not empty.</summary>
    private static readonly int[] WholeTexts = [2, 3, 4, 6, 7];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_released_recipe_gives_the_probabilities_that_its_formulas_give_on_the_golden_vectors()
    {
        string model = Train("reference", "--pad-to", "40", "--max-tokens", "28", "--sigma", "0.05", "--epochs", "2");
        GoldenTensors golden = new("released-recipe", "golden.safetensors");
        float[] llama = golden.Values<float>("llama"), bert = golden.Values<float>("bert"), roberta = golden.Values<float>("roberta");
        float[] Row(float[] values, int row) => values[(row * 32)..((row + 1) * 32)];
        GoldenTensors head = new(Path.Combine(model, "head.safetensors"));
        using TextClassifier classifier = Requests.LoadClassifier(model);
        string[] texts = Texts();
        foreach (int text in WholeTexts)
        {
            float[][] decoder = [.. Enumerable.Range(0, 4).Select(depth => Row(llama, text * 4 + depth))];
            double[] expected = Probabilities(head, decoder, [Row(bert, text), Row(roberta, text)]);
            Prediction prediction = classifier.Predict(texts[text]);
            for (int label = 0; label < expected.Length; label++)
                Assert.Equal(expected[label], prediction.Ranked.Single(item => item.Label == classifier.Labels[label]).Probability, 2e-4);
        }
    }

    [Fact]
    public void The_released_recipe_keeps_to_the_release_and_the_bundle_says_so()
    {
        JsonNode manifest = Manifest(Train("reference", "--pad-to", "40", "--sigma", "0.05", "--epochs", "2"));
        Assert.Equal(
            [
                "llama-mha 3:mean-with-pads 2:mean-with-pads 1:mean-with-pads 0:mean-with-pads pad 40 max 40",
                "bert 4:pooler pad  max 64",
                "roberta 3:first pad  max 64",
            ],
            Backbones(manifest));
        Assert.Equal(
            """{"sigma":0.05,"gram_vectors":"Raw","fusion":"cooccurrence","hidden1":1024,"hidden2":256}""",
            manifest["head"]!["settings"]!.ToJsonString());
        Assert.Equal(1, (double)manifest["head"]!["temperature"]!);
        JsonNode head = manifest["head"]!["decisions"]!["head"]!;
        Assert.Equal("released", (string)head["recipe"]!);
        Assert.Equal(2, (int)head["epochs"]!);
        Assert.Null(head["held_out_texts"]);
    }

    [Fact]
    public void The_repaired_recipe_masks_pads_takes_cosines_and_stops_early()
    {
        JsonNode manifest = Manifest(Train("reference-repaired", "--epochs", "300"));
        Assert.Equal("llama-mha 3:mean 2:mean 1:mean 0:mean pad  max 64", Backbones(manifest)[0]);
        Assert.Equal("UnitLength", (string)manifest["head"]!["settings"]!["gram_vectors"]!);
        JsonNode head = manifest["head"]!["decisions"]!["head"]!;
        Assert.Equal("repaired", (string)head["recipe"]!);
        Assert.True((int)head["held_out_texts"]! > 0);
    }

    [Fact]
    public void One_encoder_may_take_both_encoders_roles_and_is_run_once()
    {
        string model = Train("reference", "--unpadded", "--sigma", "0.05", "--epochs", "1", "--roberta", Repository.Fixture("bert"));
        Assert.Equal(["llama-mha 3:mean 2:mean 1:mean 0:mean pad  max 64", "bert 4:pooler 4:first pad  max 64"], Backbones(Manifest(model)));
        using TextClassifier classifier = Requests.LoadClassifier(model);
        Assert.Contains(classifier.Predict("a fine story").Label, classifier.Labels);
    }

    [Theory]
    [InlineData(2, "--llama", "reference", "--sigma 1 --epochs 1")]
    [InlineData(1, "--sigma, --epochs", "reference", "--llama L --bert B --roberta R --pad-to 40")]
    [InlineData(1, "--unpadded", "reference", "--llama L --bert B --roberta R --sigma 1 --epochs 1")]
    [InlineData(1, "--unpadded", "reference", "--llama L --bert B --roberta R --sigma 1 --epochs 1 --unpadded --pad-to 40")]
    [InlineData(1, "--pad-to", "reference-repaired", "--llama L --bert B --roberta R --pad-to 40")]
    [InlineData(1, "--bert: Pooling 'pooler' needs a checkpoint with a pooler; distilbert", "reference-repaired", "--llama L --bert D --roberta B")]
    [InlineData(1, "--llama: bert (bert) is an encoder", "reference-repaired", "--llama B --bert R --roberta R")]
    [InlineData(1, "cannot be the decoder", "reference-repaired", "--llama L --bert L --roberta R")]
    [InlineData(1, "views", "reference-repaired", "--llama L --bert B --roberta R --depths all")]
    [InlineData(2, "--head", "reference-repaired", "--llama L --bert B --roberta R --head linear")]
    [InlineData(2, "--sigma", "auto", "--sigma 1")]
    [InlineData(2, "auto or reference or reference-repaired", "released", "")]
    public void What_a_recipe_cannot_use_is_refused_by_name(int exitCode, string expected, string recipe, string arguments)
    {
        string Expand(string argument) =>
            argument switch
            {
                "L" => Repository.Fixture("llama-mha"),
                "B" => Repository.Fixture("bert"),
                "R" => Repository.Fixture("roberta"),
                "D" => Repository.Fixture("distilbert"),
                _ => argument,
            };
        string data = _folder.Write("train.csv", LabeledTexts.Csv(LabeledTexts.Take(30)));
        ToolResult result = Tool.Run([
            "train", "--data", data, "--output", _folder.File("refused"), "--cache", "none", "--recipe", recipe, .. arguments.Split(
                ' ', StringSplitOptions.RemoveEmptyEntries).Select(Expand)]);
        Assert.Contains(expected, result.Refused(exitCode), StringComparison.Ordinal);
    }

    private string Train(string recipe, params string[] arguments)
    {
        string data = _folder.Write("train.csv", LabeledTexts.Csv(LabeledTexts.Take(60))), model = _folder.File("model");
        string[] roles = ["--llama", Repository.Fixture("llama-mha"), "--bert", Repository.Fixture("bert")];
        if (!arguments.Contains("--roberta")) roles = [.. roles, "--roberta", Repository.Fixture("roberta")];
        Tool.Run(["train", "--data", data, "--output", model, "--cache", "none", "--recipe", recipe, .. roles, .. arguments]).Succeeded();
        return model;
    }

    private static string[] Texts()
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(Repository.Fixture("released-recipe", "golden.json")));
        return json.RootElement.GetProperty("texts").GetProperty("llama-mha").Deserialize<string[]>()!;
    }

    private static JsonNode Manifest(string model) => JsonNode.Parse(File.ReadAllText(Path.Combine(model, "classifier.json")))!;

    private static string[] Backbones(JsonNode manifest) => [.. manifest["backbones"]!.AsArray().Select(backbone =>
        $"{backbone!["name"]} {string.Join(' ', backbone["views"]!.AsArray().Select(view => $"{view!["depth"]}:{view["pooling"]}"))} pad " +
        $"{backbone["pad_to"]} max {backbone["max_tokens"]}")];

    /// <summary>Section 2 of docs/method.md, number by number.</summary>
    private static double[] Probabilities(GoldenTensors head, float[][] decoder, float[][] encoders)
    {
        double[] Linear(string layer, double[] inputs)
        {
            float[] weight = head.Values<float>($"{layer}.weight"), bias = head.Values<float>($"{layer}.bias");
            return [.. bias.Select((b, o) => b + inputs.Select((x, i) => x * weight[o * inputs.Length + i]).Sum())];
        }

        static double[] Relu(double[] values) => [.. values.Select(value => Math.Max(0, value))];
        double[][] vectors =
        [
            .. decoder.Select((vector, depth) => Relu(Linear($"compress.{depth}", [.. vector.Select(x => (double)x)]))),
            .. encoders.Select(vector => vector.Select(x => (double)x).ToArray()),
        ];
        IEnumerable<double> gram = vectors.SelectMany(left => vectors.Select(right => left.Zip(right, (x, y) => x * y).Sum()));
        IEnumerable<double> power = gram.Select(product => 2 / (1 + Math.Exp(-Sigma * product)) - 1);
        IEnumerable<double> mean = Enumerable.Range(0, decoder[0].Length).Select(i => decoder.Average(vector => (double)vector[i]));
        double[] logits = Linear("fc3", Relu(Linear("fc2", Relu(Linear("fc1", [.. power, .. mean])))));
        double[] exponentials = [.. logits.Select(logit => Math.Exp(logit - logits.Max()))];
        return [.. exponentials.Select(value => value / exponentials.Sum())];
    }
}
