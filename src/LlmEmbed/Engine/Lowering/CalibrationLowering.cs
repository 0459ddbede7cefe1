using LlmEmbed.Checkpoints;

namespace LlmEmbed.Engine;

/// <summary>
/// Computes in fp32 and also reports the largest magnitude of each channel of what linear layers read, which int8 has to leave room for.
/// </summary>
internal sealed class CalibrationLowering(Checkpoint checkpoint, WeightStore store) : Float32Lowering(checkpoint, store)
{
    private readonly HashSet<string> _values = new(StringComparer.Ordinal);
    private readonly List<LinearGroup> _groups = [];

    /// <summary>The groups of linear layers, in the order of the graph's last outputs: one output [1,1,inputs] for each.</summary>
    public IReadOnlyList<LinearGroup> Groups => _groups;

    protected override void Linear(OnnxNode node, LinearLayer layer)
    {
        if (!layer.StaysFloat32 && _values.Add(node.Input))
        {
            string largest = Graph.Node("ReduceMax", [Graph.Node("Abs", [Finished(node.Input)]), Graph.Constant<long>([0, 1], 2)]);
            Graph.Output(largest, $"largest_{_groups.Count}", OnnxType.Float, 1, 1, layer.Inputs);
            _groups.Add(LinearGroup.Of(Flow.LinearReadersOf(node.Input)));
        }
        base.Linear(node, layer);
    }
}
