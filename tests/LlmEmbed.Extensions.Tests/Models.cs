using LlmEmbed.Reading;
using LlmEmbed.Tests;
using Xunit;

[assembly: AssemblyFixture(typeof(Models))]

namespace LlmEmbed.Tests;

/// <summary>Tiny models for all tests of a run: a checkpoint of the fixtures, and two classifiers that were trained on it.</summary>
public sealed class Models : IDisposable
{
    public const string Backbone = "bert", Decoder = "llama-gqa";

    private static readonly Lazy<TemporaryFolder> Folder = new(Train);

    internal static RuntimeOptions Runtime { get; } = new() { ModelFolders = [Repository.Fixtures] };

    /// <summary>Tells bills from parcels.</summary>
    internal static string Classifier => Folder.Value.File("requests");

    /// <summary>The same with other names of the classes.</summary>
    internal static string OtherClassifier => Folder.Value.File("others");

    internal static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    internal static TextEncoder Encoder(EncoderOptions? options = null, string backbone = Backbone) =>
        TextEncoder.Load(backbone, options ?? new EncoderOptions { Views = ViewSelection.TextVector }, Runtime, progress: null, Cancellation);

    internal static TextClassifier Load(string folder) => TextClassifier.Load(folder, Runtime, progress: null, Cancellation);

    internal static float[] UnitVector(ReadOnlySpan<float> values)
    {
        double length = Math.Sqrt(values.ToArray().Sum(value => (double)value * value));
        return [.. values.ToArray().Select(value => (float)(value / length))];
    }

    internal static void AssertClose(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, float tolerance = 1e-5f)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], tolerance);
    }

    public void Dispose()
    {
        if (Folder.IsValueCreated) Folder.Value.Dispose();
    }

    private static TemporaryFolder Train()
    {
        TemporaryFolder folder = new();
        using OpenBackbones backbones = new(Runtime);
        foreach ((string name, string billing, string delivery) in new[] { ("requests", "billing", "delivery"), ("others", "money", "parcels") })
        {
            LabeledText[] examples =
            [
                .. Enumerable.Range(0, 12).Select(i => new LabeledText($"{i}: the invoice price refund invoice", billing)),
                .. Enumerable.Range(0, 12).Select(i => new LabeledText($"{i}: my parcel late courier parcel", delivery)),
            ];
            Recipe recipe = new Recipe.Fixed { Backbones = [Backbone] };
            using TextClassifier classifier = TextClassifier.Train(examples, new TrainingOptions { Recipe = recipe }, backbones);
            classifier.Save(folder.File(name));
        }
        return folder;
    }
}
