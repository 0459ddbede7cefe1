using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using LlmEmbed.Comparison;
using LlmEmbed.Files;
using LlmEmbed.Learning;

namespace LlmEmbed.Reports;

/// <summary>What was decided about a head, in words for the tool, the pages and the model card, and as JSON for programs.</summary>
internal static class HeadSentences
{
    /// <summary>How decisions are written as JSON.</summary>
    public static JsonSerializerOptions Json { get; } = new()
    {
        TypeInfoResolver = HeadJson.Default,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters =
        {
            new JsonStringEnumConverter<ClassWeighting>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false),
            new JsonStringEnumConverter<NetworkRecipe>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false),
        },
        AllowOutOfOrderMetadataProperties = true,
    };

    /// <summary>All decisions in one sentence.</summary>
    public static string Of(HeadDecisions decisions) => Of(decisions.Head);

    /// <summary>What a method that was compared did.</summary>
    public static string NoteOf(ComparisonRow row) => row.Head is { } head ? $"{row.Note}; {Of(head)}" : row.Note;

    /// <summary>All decisions as one JSON object: those about the head, and <c>attention</c> (what each learned one looks at).</summary>
    public static JsonObject ToJson(HeadDecisions decisions)
    {
        JsonObject json = JsonSerializer.SerializeToNode(decisions.Head, Json.Of<HeadDecision>())!.AsObject();
        if (decisions.Attention.Count > 0) json["attention"] = AttentionSentences.ToJson(decisions.Attention);
        return json;
    }

    private static string Of(HeadDecision head) => head switch
    {
        RegressionDecision regression => Of(regression),
        MixtureDecision mixture => Of(mixture),
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

    private static string Of(MixtureDecision mixture)
    {
        string weights = mixture.ClassWeighting == ClassWeighting.Balanced ? " with balanced class weights" : "";
        string accuracy = Deviating(mixture.Accuracy, mixture.AccuracyDeviation);
        return $"mixture of {Count(mixture.Experts.Count, "expert")}{weights} (accuracy by cross-validation {accuracy}): " +
            string.Join("; ", mixture.Experts.GroupBy(part => (part.Expert.Kind, part.Expert.Backbone)).Select(group => Of([.. group]))) +
            (mixture.SelfTraining is { } unlabelled ? Of(unlabelled) : "");
    }

    private static string Of(SelfTrainingDecision unlabelled)
    {
        string read = unlabelled.Unlabelled < unlabelled.Given
            ? Invariant($"{unlabelled.Unlabelled:N0} unlabelled texts, read of {unlabelled.Given:N0},")
            : Invariant($"{unlabelled.Unlabelled:N0} unlabelled texts");
        string losses = Invariant($"log loss by cross-validation {unlabelled.LogLossWith:0.000} instead of {unlabelled.LogLossBefore:0.000}");
        return unlabelled.IsKept
            ? Invariant($"; the regressions learned from the {unlabelled.Taken:N0} surest of {read} too ({losses})")
            : Invariant($"; not learned from the {unlabelled.Taken:N0} surest of {read} because it would be worse ({losses})");
    }

    /// <summary>The experts of one kind, and of one backbone where they read only one.</summary>
    private static string Of(IReadOnlyList<ExpertDecision> experts)
    {
        ExpertFacts facts = experts[0].Expert;
        string weight = Invariant($"{experts.Sum(part => part.Weight):P0}");
        return facts.Kind switch
        {
            "views" => $"{weight} {(experts.Count == 1 ? "a logistic regression" : $"{experts.Count} logistic regressions")} on views (" +
                $"{string.Join(", ", experts.Select(part => Invariant($"{part.Expert.Views} with C = {part.Expert.C:0.#####}")))})",
            "sentence" => $"{weight} a regression on the sentence vector of {facts.Backbone}",
            "attention" => $"{weight} attention pooling at {(experts.Count == 1 ? "depth" : "depths")} " +
                $"{string.Join(", ", experts.Select(part => part.Expert.Depth).Order())} of {facts.Backbone}",
            "words" => Invariant($"{weight} a regression on {facts.Terms:N0} words and pairs of words"),
            "class_names" => $"and {weight} of their spread for the likeness to the names of the classes",
            _ => $"{weight} {facts.Kind}",
        };
    }

    private static string Count(int count, string noun) => $"{count} {noun}{(count == 1 ? "" : "s")}";

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

    private static string Deviating(double mean, double deviation) => Invariant($"{mean:P1} ± {deviation:P1}");

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
