using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// A network under construction: each method adds a layer and returns the name of what it computes, fp32 [B,T,·]. Which operators compute the layers,
/// in which precision and in how many passes is decided when the network is compiled (<see cref="Lowering"/>).
/// </summary>
/// <param name="lowering">Decides that. It serves this network alone.</param>
internal sealed class Layers(Lowering lowering)
{
    /// <summary>The layers, and plain ONNX operators that a caller adds.</summary>
    public OnnxGraph Graph { get; } = new();

    /// <summary>Compiles the network; nothing may be added afterwards.</summary>
    /// <param name="threads">Threads within one operator, 0 for one per physical core.</param>
    /// <exception cref="LlmEmbedException">A weight is missing or has another shape, or the memory does not suffice.</exception>
    public GraphSession Compile(int threads) => lowering.Compile(Graph, threads);

    /// <summary>Adds a constant that is made only if no other network with the same store made it before.</summary>
    /// <param name="name">Stands for the constant in the store.</param>
    /// <param name="make">Makes it.</param>
    public string Shared(string name, Func<WeightBuffer> make) => Graph.Weight(lowering.Store.Get(name, make));

    /// <summary>[B,T,inputs] → [B,T,outputs].</summary>
    public string Linear(string input, LinearLayer layer) => Graph.Node(layer, input);

    /// <summary>A norm over the last axis.</summary>
    public string Norm(string input, NormLayer norm) => Graph.Node(norm, input);

    /// <summary>The same norm for each head by itself: [B,T,heads·size] → the same shape.</summary>
    public string HeadNorm(string input, int heads, NormLayer norm)
    {
        string split = Graph.Node("Reshape", [input, Graph.Constant<long>([0, 0, heads, norm.Size], 4)]); // [B,T,heads,size]
        return Graph.Node("Reshape", [Norm(split, norm), Graph.Constant<long>([0, 0, heads * norm.Size], 3)]);
    }

    public string Activate(string input, Activation function) => Graph.Node(new ActivationLayer(function), input);

    /// <summary>The sum of two values of the same shape.</summary>
    public string Add(string one, string other) => Graph.Node(new AddLayer(), one, other);

    /// <summary>The product, value by value, of two values of the same shape.</summary>
    public string Multiply(string one, string other) => Graph.Node(new MultiplyLayer(), one, other);

    /// <summary>Attention over texts that stand alone.</summary>
    /// <param name="query">[B,T,heads·d].</param>
    /// <param name="key">[B,T,kv·d].</param>
    /// <param name="value">[B,T,kv·d].</param>
    /// <param name="shape">Its sizes and flags, without the prefix.</param>
    /// <param name="lengths">I32 [B], tokens of each text; padding behind them is no key.</param>
    /// <param name="rotary">Tables of rotary positions; null if the shape has none.</param>
    /// <param name="prefix">Keys and values of the tokens before each text; null if there are none.</param>
    /// <param name="distanceBias">Scores by distance [heads,2·positions − 1]; null if the shape has none.</param>
    /// <returns>[B,T,heads·d].</returns>
    public string Attend(
        string query,
        string key,
        string value,
        AttentionShape shape,
        string lengths,
        Rotary? rotary = null,
        PrefixBlock? prefix = null,
        string? distanceBias = null)
    {
        if (shape.IsRotary != rotary is not null)
            throw new ArgumentException("Tables of positions belong to rotary attention, and to it alone.", nameof(rotary));
        if (shape.HasDistanceBias != distanceBias is not null)
            throw new ArgumentException("A table of scores by distance belongs to attention that adds them, and to it alone.", nameof(distanceBias));
        string unused = Graph.Constant<float>([0], 1);
        string Given(float[]? values) => values is null ? unused : Graph.Constant<float>(values, prefix!.Length, values.Length / prefix.Length);
        AttentionLayer layer = new(shape with { PrefixLength = prefix?.Length ?? 0 });
        return Graph.Node(
            layer,
            query,
            key,
            value,
            rotary?.Cos ?? unused,
            rotary?.Sin ?? unused,
            lengths,
            Given(prefix?.Keys),
            Given(prefix?.Values),
            distanceBias ?? unused);
    }
}
