using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using LlmEmbed.Comparison;
using LlmEmbed.Learning;

namespace LlmEmbed.Reports;

/// <summary>What was decided about a head, in words for the tool, the pages and the model card, and as JSON for programs.</summary>
internal static class HeadSentences
{
    /// <summary>How decisions are written as JSON.</summary>
    public static JsonSerializerOptions Json { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
        AllowOutOfOrderMetadataProperties = true,
    };

    /// <summary>All decisions in one sentence: the head, the heads it was compared with, and each addition.</summary>
    public static string Of(HeadDecisions decisions)
    {
        List<string> parts = [Of(decisions.Head)];
        if (decisions.ComparedHeads.Count > 0)
            parts.Add(
                $"log loss of other heads by cross-validation against logistic regression: {string.Join(", ", decisions.ComparedHeads.Select(Of))}");
        parts.AddRange(decisions.Additions.Select(Of));
        return string.Join("; ", parts);
    }

    /// <summary>What a method that was compared did.</summary>
    public static string NoteOf(ComparisonRow row) => row.Head is { } head ? $"{row.Note}; {Of(head)}" : row.Note;

    /// <summary>
    /// All decisions as one JSON object: those about the head, then <c>compared_heads</c>, <c>attention</c> (what each learned one looks at) and an
    /// entry for each addition that was tried, null if it brings nothing.
    /// </summary>
    public static JsonObject ToJson(HeadDecisions decisions)
    {
        JsonObject json = JsonSerializer.SerializeToNode(decisions.Head, Json)!.AsObject();
        if (decisions.ComparedHeads.Count > 0) json["compared_heads"] = JsonSerializer.SerializeToNode(decisions.ComparedHeads, Json);
        if (decisions.Attention.Count > 0) json["attention"] = AttentionSentences.ToJson(decisions.Attention);
        foreach (AdditionDecision addition in decisions.Additions) json[addition.Name] = JsonSerializer.SerializeToNode(addition.Gain, Json);
        return json;
    }

    private static string Of(HeadDecision head) => head switch
    {
        RegressionDecision regression => Of(regression),
        AverageDecision average => Of(average),
        NearestMeanDecision => "nearest class mean",
        NetworkDecision network => Of(network),
        _ => head.GetType().Name,
    };

    private static string Of(RegressionDecision regression)
    {
        string weights = regression.ClassWeighting == ClassWeighting.Balanced ? " and balanced class weights" : "";
        string chosen = regression.Chosen is { } best
            ? $", chosen among {regression.CrossValidation.Count} by cross-validation (accuracy {Deviating(best.Accuracy, best.AccuracyDeviation)})"
            : "; too few examples to choose it by cross-validation";
        return Invariant($"logistic regression with C = {regression.C:0.#####}{weights}{chosen}");
    }

    private static string Of(AverageDecision average)
    {
        string members = string.Join(
            ", ", average.Mixture.Select(part => Invariant($"{part.Weight:P0} on {part.Views} views with C = {part.C:0.#####}")));
        string accuracy = average is { Accuracy: double mean, AccuracyDeviation: double deviation }
            ? $" (accuracy by cross-validation {Deviating(mean, deviation)})"
            : "";
        return $"average of {average.Mixture.Count} logistic regressions, too few texts to choose one: {members}{accuracy}";
    }

    private static string Of(NetworkDecision network)
    {
        string recipe = network.Recipe switch
        {
            NetworkRecipe.Released => "released LLMEmbed recipe: ",
            NetworkRecipe.Repaired => "repaired LLMEmbed recipe: ",
            _ => "",
        };
        string kind = network.Sigma is float sigma ? Invariant($"co-occurrence head, σ = {sigma}") : "multi-layer perceptron";
        string end = network.HeldOutTexts is int texts
            ? $"stopped after {network.Epochs} epochs by its loss on {texts} examples held out of the training data"
            : $"trained for {network.Epochs} epochs";
        return $"{recipe}{kind}, {end}";
    }

    // A negative number that rounds to 0 would be shown as -+0.000; adding 0 takes the sign off.
    private static string Of(ComparedHead other) => Invariant($"{NameOf(other.Head)} {Math.Round(other.ExcessLogLoss, 3) + 0.0:+0.000;-0.000}");

    private static string NameOf(string head) => head switch
    {
        "nearest-mean" => "nearest class mean",
        "mlp" => "multi-layer perceptron",
        "cooccurrence" => "co-occurrence",
        _ => head,
    };

    private static string Of(AdditionDecision addition)
    {
        (string subject, string verb, string what) = addition.Name switch
        {
            "class_names" => ("the names of the classes", "add", "the likeness to the names of the classes"),
            "attention_pooling" => (
                "attention pooling",
                "adds",
                $"a logistic regression on attention pooling at depth {addition.Gain?.Depth} of {addition.Gain?.Backbone}"),
            "words" => ("words", "add", Invariant($"a logistic regression on {addition.Gain?.Terms:N0} words and pairs of words")),
            _ => (addition.Name, "adds", addition.Name),
        };
        return addition.Gain is { } gain
            ? Invariant($"plus {gain.Weight:0.0} times {what}: accuracy by cross-validation {gain.Accuracy:P1} (without {gain.AccuracyWithout:P1})")
            : $"{subject} {verb} nothing";
    }

    private static string Deviating(double mean, double deviation) => Invariant($"{mean:P1} ± {deviation:P1}");

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
