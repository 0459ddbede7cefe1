using System.Text.Json.Nodes;
using LlmEmbed.Engine;
using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>
/// LLMEmbed's head: the views' Gram matrix, power-normalized, beside the mean of the decoder's views, through a network of two hidden layers.
/// </summary>
internal sealed class CooccurrenceHead : IHead
{
    public const string KindName = "cooccurrence";

    private const int BlockRows = 256;

    private readonly CooccurrenceShape _shape;
    private readonly Standardization _standardization;
    private readonly GraphSession _session;

    public CooccurrenceHead(
        CooccurrenceShape shape, CooccurrenceOptions options, Standardization standardization, IReadOnlyList<HeadTensor> parameters)
    {
        (_shape, _standardization) = (shape, standardization);
        _session = new GraphSession(CooccurrenceGraph.Inference(shape, options, parameters), options.Threads);
        Tensors = [.. standardization.Tensors, .. parameters];
        Settings = new JsonObject
        {
            ["sigma"] = options.Sigma,
            ["gram_vectors"] = options.GramVectors.ToString(),
            ["fusion"] = FusionNames.NameOf(options.Fusion),
            ["hidden1"] = shape.Hidden1,
            ["hidden2"] = shape.Hidden2,
        };
    }

    public string Kind => KindName;

    public int FeatureCount => _shape.Layout.FeatureCount;

    public int ClassCount => _shape.ClassCount;

    public IReadOnlyList<HeadTensor> Tensors { get; }

    public JsonObject Settings { get; }

    public static CooccurrenceHead Load(SavedHead saved) => Load(saved.Tensors, saved.Settings, saved.Layout, saved.ClassCount, saved.Threads);

    public static CooccurrenceHead Load(IReadOnlyList<HeadTensor> tensors, JsonObject settings, FeatureLayout layout, int classCount, int threads)
    {
        CooccurrenceOptions options = new()
        {
            Sigma = Setting<float>(settings, "sigma"),
            GramVectors = Enum.TryParse(Setting<string>(settings, "gram_vectors"), out GramVectors vectors) && Enum.IsDefined(vectors)
                ? vectors
                : throw WrongSetting(settings, "gram_vectors"),
            Fusion = settings["fusion"] is null
                ? FusionOperators.Cooccurrence
                : FusionNames.Find(Setting<string>(settings, "fusion")) ?? throw WrongSetting(settings, "fusion"),
            Threads = threads,
        };
        CooccurrenceShape shape = new(layout, classCount, Setting<int>(settings, "hidden1"), Setting<int>(settings, "hidden2"), options.Fusion);
        Standardization standardization = Standardization.Load(tensors, layout.FeatureCount);
        HeadTensor[] parameters = [.. shape.Parameters.Select(p => new HeadTensor(p.Name, p.Shape, HeadTensor.Take(tensors, p.Name, p.Shape)))];
        return new CooccurrenceHead(shape, options, standardization, parameters);
    }

    public void Logits(ReadOnlySpan<float> features, int rows, Span<float> logits)
    {
        ViewBatch batch = new(_shape.Layout, _standardization, Math.Min(rows, BlockRows));
        for (int first = 0; first < rows; first += BlockRows)
        {
            batch.Clear();
            for (int row = first; row < Math.Min(rows, first + BlockRows); row++) batch.Add(features.Slice(row * FeatureCount, FeatureCount));
            using GraphFeeds feeds = batch.Feeds();
            using GraphResults results = _session.Run(feeds);
            results.Span<float>(0).CopyTo(logits[(first * ClassCount)..]);
        }
    }

    public void Dispose() => _session.Dispose();

    private static T Setting<T>(JsonObject settings, string key)
    {
        try
        {
            return settings[key] is JsonNode node ? node.GetValue<T>() : throw WrongSetting(settings, key);
        }
        catch (Exception exception) when (exception is InvalidOperationException or FormatException)
        {
            throw WrongSetting(settings, key);
        }
    }

    private static LlmEmbedException WrongSetting(JsonObject settings, string key) =>
        new(
            $"The setting '{key}' of the head is {settings[key]?.ToJsonString() ?? "missing"}, which this version does not understand. " +
            "Train the classifier again, or use the version that saved it.");
}
