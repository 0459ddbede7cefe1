using System.Numerics.Tensors;
using LlmEmbed.Server.Problems;
using Microsoft.AspNetCore.Http;

namespace LlmEmbed.Server.Routes;

/// <summary>What becomes of a vector between the model and the answer.</summary>
internal static class Vectors
{
    /// <summary>The vector, cut and brought to length 1 as asked for. A vector of zeros stays one.</summary>
    /// <param name="values">[H].</param>
    /// <param name="dimensions">How many numbers are kept; null for all.</param>
    /// <param name="normalize">Whether it gets length 1.</param>
    public static ReadOnlyMemory<float> Shape(ReadOnlyMemory<float> values, int? dimensions, bool normalize)
    {
        ReadOnlyMemory<float> kept = values[..(dimensions ?? values.Length)];
        if (!normalize) return kept;
        float norm = TensorPrimitives.Norm(kept.Span);
        if (norm == 0) return kept;
        float[] scaled = new float[kept.Length];
        TensorPrimitives.Divide(kept.Span, norm, scaled);
        return scaled;
    }

    /// <exception cref="ProblemException">The vectors of the encoder have no such beginning.</exception>
    public static void RequireDimensions(int? dimensions, TextEncoder encoder)
    {
        if (dimensions is null || (dimensions >= 1 && dimensions <= encoder.HiddenSize)) return;
        throw new ProblemException(
            StatusCodes.Status422UnprocessableEntity,
            ProblemType.Validation,
            $"'dimensions' is {dimensions}, expected a number from 1 to {encoder.HiddenSize}, the size of this model's vectors.",
            "dimensions");
    }

    /// <summary>Whether vectors are written as Base64.</summary>
    /// <exception cref="ProblemException">The format is not known.</exception>
    public static bool IsBase64(string? format) => format switch
    {
        null or "float" => false,
        "base64" => true,
        _ => throw new ProblemException(
            StatusCodes.Status422UnprocessableEntity,
            ProblemType.Validation,
            "'encoding_format' is not known, expected 'float' or 'base64'.",
            "encoding_format"),
    };
}
