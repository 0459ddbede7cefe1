namespace LlmEmbed.Files;

/// <summary>What messages and checks say about the names and shapes of tensors, the same for every file format.</summary>
internal static class TensorNames
{
    /// <summary>A shape as messages write it, for example [2,3].</summary>
    public static string Show(IEnumerable<long> shape) => $"[{string.Join(',', shape)}]";

    /// <summary>Whether a shape is the expected one, where -1 stands for any size.</summary>
    public static bool ShapeFits(IReadOnlyList<long> shape, ReadOnlySpan<long> expected)
    {
        if (shape.Count != expected.Length) return false;
        for (int i = 0; i < expected.Length; i++)
            if (expected[i] != -1 && expected[i] != shape[i]) return false;
        return true;
    }

    /// <summary>Bytes that a tensor takes, or null if the product does not fit into 64 bits.</summary>
    public static long? ByteLength(IEnumerable<long> shape, int elementBytes)
    {
        try
        {
            return shape.Aggregate((long)elementBytes, (product, size) => checked(product * size));
        }
        catch (OverflowException)
        {
            return null;
        }
    }

    /// <summary>A sentence with the three names that share most of their beginning and end with the one that is missing.</summary>
    public static string Nearest(string missing, IEnumerable<string> names)
    {
        string[] nearest = [.. names
            .OrderByDescending(name => SharedStart(missing, name) + SharedEnd(missing, name))
            .ThenBy(name => name, StringComparer.Ordinal)
            .Take(3)];
        return nearest.Length == 0 ? "The file holds no tensor." : $"The nearest names in the file are '{string.Join("', '", nearest)}'.";
    }

    /// <summary>The error for a tensor that holds a value which no computation can use.</summary>
    /// <param name="path">The file.</param>
    /// <param name="name">The tensor.</param>
    /// <param name="format">The name of its number format.</param>
    /// <param name="row">The row with the value, counted from 0 over all leading dimensions.</param>
    public static LlmEmbedException NotFinite(string path, string name, string format, long row) => FileProblem.In(
        path,
        $"the tensor '{name}' ({format}) holds NaN or infinity in row {row}, expected finite weights. The file is damaged or was converted wrongly.");

    private static int SharedStart(string a, string b) => a.AsSpan().CommonPrefixLength(b);

    private static int SharedEnd(string a, string b)
    {
        int shared = 0;
        while (shared < a.Length && shared < b.Length && a[^(shared + 1)] == b[^(shared + 1)]) shared++;
        return shared;
    }
}
