using LlmEmbed.Files;

namespace LlmEmbed.Checkpoints;

/// <summary>GGUF's numbers for the types of tensors: the formats that are implemented, and the names of the others for messages.</summary>
internal static class GgmlType
{
    public static IReadOnlyDictionary<uint, NumberFormat> Formats { get; } = new Dictionary<uint, NumberFormat>
    {
        [0] = NumberFormat.F32,
        [1] = NumberFormat.F16,
        [2] = BlockFormats.Q4_0,
        [3] = BlockFormats.Q4_1,
        [6] = BlockFormats.Q5_0,
        [7] = BlockFormats.Q5_1,
        [8] = BlockFormats.Q8_0,
        [10] = BlockFormats.Q2_K,
        [11] = BlockFormats.Q3_K,
        [12] = BlockFormats.Q4_K,
        [13] = BlockFormats.Q5_K,
        [14] = BlockFormats.Q6_K,
        [20] = BlockFormats.IQ4_NL,
        [23] = BlockFormats.IQ4_XS,
        [28] = NumberFormat.F64,
        [30] = NumberFormat.BF16,
    };

    /// <summary>The types that are not implemented.</summary>
    private static readonly Dictionary<uint, string> OtherNames = new()
    {
        [9] = "Q8_1",
        [15] = "Q8_K",
        [16] = "IQ2_XXS",
        [17] = "IQ2_XS",
        [18] = "IQ3_XXS",
        [19] = "IQ1_S",
        [21] = "IQ3_S",
        [22] = "IQ2_S",
        [24] = "I8",
        [25] = "I16",
        [26] = "I32",
        [27] = "I64",
        [29] = "IQ1_M",
        [34] = "TQ1_0",
        [35] = "TQ2_0",
        [39] = "MXFP4",
    };

    /// <summary>The name of a type that is not implemented.</summary>
    public static string Name(uint type) => OtherNames.GetValueOrDefault(type)
        ?? (type is 4 or 5 or 31 or 32 or 33 or 36 or 37 or 38 ? $"type {type}, which GGUF has given up" : $"the unknown type {type}");
}
