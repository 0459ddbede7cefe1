using System.Numerics.Tensors;
using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>How DeBERTa tells distances, query minus key: near ones one by one, far ones by the logarithm.</summary>
/// <param name="Span">Rows of each direction in the table of distances.</param>
/// <param name="Buckets">Buckets of both directions; 0 if every distance has its own.</param>
/// <param name="Farthest">The distance that the last bucket ends at.</param>
/// <param name="FromContent">Whether queries meet the keys of distances (c2p).</param>
/// <param name="ToContent">Whether the queries of distances meet keys (p2c).</param>
internal sealed record RelativePositions(int Span, int Buckets, int Farthest, bool FromContent, bool ToContent)
{
    /// <summary>Kinds of scores, that of contents alone included.</summary>
    public int Scores => 1 + (FromContent ? 1 : 0) + (ToContent ? 1 : 0);

    public static RelativePositions Read(ModelConfig config)
    {
        if (!config.Flag("relative_attention", false)) throw config.Wrong("relative_attention", "is not true (nothing else is implemented).");
        if (!config.Flag("share_att_key", false)) throw config.Wrong("share_att_key", "is not true (nothing else is implemented).");
        int farthest = config.Int("max_relative_positions", -1), buckets = Math.Max(0, config.Int("position_buckets", -1));
        if (farthest < 1) farthest = config.Size("max_position_embeddings");
        if (buckets > 0 && (buckets % 2 != 0 || farthest - 1 <= buckets / 2))
            throw config.Wrong("position_buckets", $"is {buckets}, expected an even number whose half is less than the {farthest - 1} distances.");
        IReadOnlyList<string> kinds = config.Texts("pos_att_type", '|') ?? [];
        if (kinds.FirstOrDefault(kind => kind is not ("c2p" or "p2c")) is { } other)
            throw config.Wrong("pos_att_type", $"names {other}, expected c2p and p2c (nothing else is implemented).");
        return new RelativePositions(buckets > 0 ? buckets : farthest, buckets, farthest, kinds.Contains("c2p"), kinds.Contains("p2c"));
    }

    /// <summary>The row of a distance, query minus key, in the table of distances.</summary>
    public int RowOf(int distance) => Math.Clamp(BucketOf(distance) + Span, 0, 2 * Span - 1);

    private int BucketOf(int distance)
    {
        int exact = Buckets / 2, away = Math.Abs(distance);
        if (Buckets == 0 || away <= exact) return distance;
        float share = MathF.Log((float)away / exact) / MathF.Log((float)(Farthest - 1) / exact);
        return Math.Sign(distance) * ((int)MathF.Ceiling(share * (exact - 1)) + exact);
    }
}

/// <summary>The table of distances [2·span,H], which goes through a block's own linear layers for queries and keys.</summary>
/// <param name="Checkpoint">Where it is.</param>
/// <param name="Name">Its full name.</param>
/// <param name="Norm">The norm that its rows go through; null if they go through none.</param>
/// <param name="Relative">How distances choose rows.</param>
internal sealed record RelativeTable(Checkpoint Checkpoint, string Name, LayerNormLayer? Norm, RelativePositions Relative)
{
    /// <summary>What a linear layer makes of the rows of all distances: [heads,d,2·positions], distance −(positions − 1) first.</summary>
    /// <param name="layer">The linear layer.</param>
    /// <param name="heads">Heads of its outputs.</param>
    /// <param name="positions">The longest text.</param>
    /// <param name="sign">1 if a column is a distance, query minus key; −1 if it is key minus query.</param>
    /// <param name="factor">What every value is multiplied by.</param>
    public WeightBuffer Projected(LinearLayer layer, int heads, int positions, int sign, float factor)
    {
        int size = layer.Inputs, columns = 2 * positions;
        // The last column is a distance that no two tokens have (see DisentangledAttention).
        int[] rowOf = [.. Enumerable.Range(0, columns).Select(column => Relative.RowOf(sign * (Math.Min(column, columns - 2) - positions + 1)))];
        int first = rowOf.Min(), count = rowOf.Max() - first + 1;
        float[] rows = Rows(first, count, size), weight = new float[layer.Outputs * size], bias = new float[layer.Outputs];
        layer.CopyWeight(Checkpoint, weight);
        layer.CopyBias(Checkpoint, bias);
        WeightBuffer table = WeightBuffer.Allocate<float>(heads, layer.Outputs / heads, columns);
        Parallel.For(0, layer.Outputs, output =>
        {
            float[] products = new float[count];
            for (int row = 0; row < count; row++)
                products[row] = (TensorPrimitives.Dot(weight.AsSpan(output * size, size), rows.AsSpan(row * size, size)) + bias[output]) * factor;
            Span<float> values = table.Span<float>().Slice(output * columns, columns);
            for (int column = 0; column < columns; column++) values[column] = products[rowOf[column] - first];
        });
        return table;
    }

    /// <summary>Some rows as they enter the linear layers.</summary>
    private float[] Rows(int first, int count, int size)
    {
        Weight stored = Checkpoint.Require(Name, 2L * Relative.Span, size);
        float[] rows = new float[count * size], weight = new float[size], bias = new float[size];
        if (Norm is { Bias: string biasName })
        {
            Checkpoint.Require(Norm.Weight, size).CopyTo(weight);
            Checkpoint.Require(biasName, size).CopyTo(bias);
        }
        for (int i = 0; i < count; i++)
        {
            Span<float> row = rows.AsSpan(i * size, size);
            stored.CopyRow(first + i, row);
            if (Norm is null) continue;
            TensorPrimitives.Subtract(row, TensorPrimitives.Sum<float>(row) / size, row);
            TensorPrimitives.Divide(row, MathF.Sqrt(TensorPrimitives.SumOfSquares<float>(row) / size + Norm.Epsilon), row);
            TensorPrimitives.MultiplyAdd(row, weight, bias, row);
        }
        return rows;
    }
}

/// <summary>
/// DeBERTa's attention: a score is the product of a query and a key, plus the product of the query with the key of their distance, plus the product
/// of the key with the query of their distance. Products with all distances are made at once, and each row is then moved by its own place, so that
/// the distances that belong to it stand under the keys.
/// </summary>
internal sealed class DisentangledAttention(Layers layers, RelativeTable table, int heads, int positions)
{
    private OnnxGraph Graph => layers.Graph;

    /// <param name="queryKeyValue">[B,T,H] each.</param>
    /// <param name="query">What made the queries.</param>
    /// <param name="key">What made the keys.</param>
    /// <param name="lengths">I32 [B], tokens of each text.</param>
    /// <returns>[B,T,H].</returns>
    public string Attend(string[] queryKeyValue, LinearLayer query, LinearLayer key, string lengths)
    {
        int size = query.Outputs, headSize = size / heads;
        float scale = 1 / MathF.Sqrt(headSize * table.Relative.Scores);
        string length = Graph.Node("Shape", [queryKeyValue[0]], ("start", 1), ("end", 2)); // [1], T
        string queries = Graph.Node("Mul", [OfHeads(queryKeyValue[0], headSize), Graph.Scalar(scale)]); // [B,heads,T,d]
        string keys = OfHeads(queryKeyValue[1], headSize), values = OfHeads(queryKeyValue[2], headSize);

        string scores = Graph.Node("FusedMatMul", [queries, keys], ("transB", 1)); // [B,heads,T,T]
        if (table.Relative.FromContent) scores = Graph.Node("Add", [scores, ByDistance(queries, key, -1, 1, length)]);
        if (table.Relative.ToContent)
            scores = Graph.Node("Add", [scores, Graph.Node("Transpose", [ByDistance(keys, query, 1, scale, length)], ("perm", [0, 1, 3, 2]))]);

        string weights = Graph.Node("Softmax", [Masked(scores, lengths, length)], ("axis", -1));
        string attention = Graph.Node("Transpose", [Graph.Node("MatMul", [weights, values])], ("perm", [0, 2, 1, 3])); // [B,T,heads,d]
        return Graph.Node("Reshape", [attention, Graph.Constant<long>([0, 0, size], 3)]);
    }

    /// <summary>[B,T,H] → [B,heads,T,d].</summary>
    private string OfHeads(string value, int headSize) =>
        Graph.Node("Transpose", [Graph.Node("Reshape", [value, Graph.Constant<long>([0, 0, heads, headSize], 4)])], ("perm", [0, 2, 1, 3]));

    /// <summary>
    /// The product of each row i of [B,heads,T,d] with the distance of each place j from it: [B,heads,T,T]. A column c of the products belongs to the
    /// distance c − (T − 1), so row i needs its columns from T − 1 − i on. Rows of 2·T columns become rows of 2·T − 1 when all values behind the
    /// first T − 1 are laid out anew, which moves each row by one column more than the row before.
    /// </summary>
    private string ByDistance(string rows, LinearLayer layer, int sign, float factor, string length)
    {
        string name = $"{layer.Name} by distance, {positions} positions";
        string all = layers.Shared(name, () => table.Projected(layer, heads, positions, sign, factor)); // [heads,d,2·positions]
        string middle = Number(positions), from = Graph.Node("Sub", [middle, length]), end = Graph.Node("Add", [middle, length]);
        string distances = Graph.Node("Slice", [all, from, end, Number(2)]); // [heads,d,2·T]
        string flat = Graph.Node("Reshape", [Graph.Node("MatMul", [rows, distances]), Graph.Constant<long>([0, 0, -1], 3)]); // [B,heads,T·2·T]
        string cut = Graph.Node("Slice", [flat, Graph.Node("Sub", [length, Number(1)]), Number(-1), Number(2)]);
        string shape = Graph.Node("Concat", [Graph.Constant<long>([0, 0], 2), length, Number(-1)], ("axis", 0));
        return Graph.Node("Slice", [Graph.Node("Reshape", [cut, shape]), Number(0), length, Number(3)]);
    }

    /// <summary>The scores of padding become so low that it gets no weight.</summary>
    private string Masked(string scores, string lengths, string length)
    {
        string all = Graph.Constant<int>([.. Enumerable.Range(0, positions)], positions);
        string places = Graph.Node("Slice", [all, Number(0), length, Number(0)]); // [T]
        string isToken = Graph.Node("Less", [places, Graph.Node("Unsqueeze", [lengths, Graph.Constant<long>([1, 2, 3], 3)])]); // [B,1,1,T]
        return Graph.Node("Where", [isToken, scores, Graph.Scalar(float.MinValue)]);
    }

    private string Number(long value) => Graph.Constant<long>([value], 1);
}
