namespace LlmEmbed.Engine;

/// <summary>Linear layers that read the same value, so that int8 quantizes it once for all of them and computes one matrix product.</summary>
/// <param name="Layers">The layers, in the order of the graph.</param>
internal sealed record LinearGroup(IReadOnlyList<LinearLayer> Layers)
{
    private const int MostTogether = 8192;

    /// <summary>Stands for the group in tables.</summary>
    public string Name => Layers[0].Name;

    /// <summary>Columns of each layer's weights.</summary>
    public int Inputs => Layers[0].Inputs;

    /// <summary>All outputs side by side.</summary>
    public int Outputs => Layers.Sum(layer => layer.Outputs);

    /// <summary>
    /// Whether two layers of the same width, as gate and up are, have a product each, because the outputs of one product would outgrow the
    /// processor's cache. A product goes over all of its outputs several times and then takes up to 1.4 times as long; narrow layers are a tenth
    /// faster together.
    /// </summary>
    public bool IsSplit => Layers.Count == 2 && Layers[0].Outputs == Layers[1].Outputs && Outputs > MostTogether;

    /// <summary>The group of the linear layers that some nodes compute.</summary>
    public static LinearGroup Of(IEnumerable<OnnxNode> linears) => new([.. linears.Select(node => (LinearLayer)node.Layer!)]);
}
