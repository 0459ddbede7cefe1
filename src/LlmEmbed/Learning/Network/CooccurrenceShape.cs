using LlmEmbed.Data;
using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>
/// The layers of a co-occurrence head. The layout's first backbone is the decoder of the paper: each of its views gets a compress layer of its own,
/// and the mean of its raw views is a feature. Views of other backbones enter the Gram matrix as they are if they have its width.
/// </summary>
internal sealed class CooccurrenceShape
{
    private const int MaxWidth = 1024;

    public CooccurrenceShape(FeatureLayout layout, int classCount, int hidden1, int hidden2, FusionOperators fusion = FusionOperators.Cooccurrence)
    {
        (Layout, ClassCount) = (layout, classCount);
        string decoder = layout.Views[0].Backbone;
        int decoderSize = layout.Views[0].Size;
        // A sentence's vector may have another size than its backbone's states; then it is compressed like a view of another backbone.
        bool IsOfDecoder(int view) => layout.Views[view].Backbone == decoder && layout.Views[view].Size == decoderSize;
        DecoderViews = [.. Enumerable.Range(0, layout.Views.Count).Where(IsOfDecoder)];
        Width = layout.Views.FirstOrDefault(view => view.Backbone != decoder)?.Size ?? Math.Min(decoderSize, MaxWidth);
        // Without a fusion operator the network reads the raw features: a plain multi-layer perceptron.
        CompressedViews = fusion == FusionOperators.None
            ? []
            : [.. Enumerable.Range(0, layout.Views.Count).Where(view => DecoderViews.Contains(view) || layout.Views[view].Size != Width)];

        FusedSize = FusedParts(fusion).Sum(part => part.Size);

        List<(string, long[])> parameters = [];
        for (int i = 0; i < CompressedViews.Count; i++) AddLayer(CompressName(i), layout.Views[CompressedViews[i]].Size, Width);
        AddLayer("fc1", fusion == FusionOperators.None ? layout.FeatureCount : FusedSize + decoderSize, hidden1);
        AddLayer("fc2", hidden1, hidden2);
        AddLayer("fc3", hidden2, classCount);
        (Parameters, Hidden1, Hidden2) = (parameters, hidden1, hidden2);

        void AddLayer(string name, int inputs, int outputs)
        {
            parameters.Add(($"{name}.weight", [outputs, inputs]));
            parameters.Add(($"{name}.bias", [outputs]));
        }
    }

    public FeatureLayout Layout { get; }

    public int ClassCount { get; }

    /// <summary>K, the length of the vectors in the Gram matrix.</summary>
    public int Width { get; }

    public int Hidden1 { get; }

    public int Hidden2 { get; }

    /// <summary>V, the number of vectors in the Gram matrix.</summary>
    public int ViewCount => Layout.Views.Count;

    public int GramSize => ViewCount * ViewCount;

    /// <summary>The features that the fusion operators give together.</summary>
    public int FusedSize { get; }

    /// <summary>Indices into the layout's views.</summary>
    public IReadOnlyList<int> DecoderViews { get; }

    /// <summary>Indices into the layout's views, in the order of the compress layers.</summary>
    public IReadOnlyList<int> CompressedViews { get; }

    /// <summary>Every trained tensor, weights as [out, in].</summary>
    public IReadOnlyList<(string Name, long[] Shape)> Parameters { get; }

    /// <summary>The chosen operators in the order of their features, each with its number of features.</summary>
    public IEnumerable<(FusionOperators Operator, int Size)> FusedParts(FusionOperators fusion) =>
        Enum.GetValues<FusionOperators>().Where(part => part != FusionOperators.None && fusion.HasFlag(part)).Select(part => (part, part switch
        {
            FusionOperators.Cooccurrence => GramSize,
            FusionOperators.Concat => ViewCount * Width,
            _ => Width,
        }));

    public static string CompressName(int layer) => $"compress.{layer}";

    /// <summary>Weights and biases evenly within ±1/√inputs, PyTorch's way, which the published results start from.</summary>
    public IReadOnlyList<HeadTensor> Initialize(ulong seed)
    {
        DeterministicRandom random = new(seed);
        double bound = 1;
        return [.. Parameters.Select(parameter =>
        {
            if (parameter.Shape.Length == 2) bound = 1 / Math.Sqrt(parameter.Shape[1]); // a bias follows its weight and shares the bound
            float[] values = new float[parameter.Shape.Aggregate(1L, (product, size) => product * size)];
            for (int i = 0; i < values.Length; i++) values[i] = (float)(bound * (2 * random.NextDouble() - 1));
            return new HeadTensor(parameter.Name, parameter.Shape, values);
        })];
    }
}
