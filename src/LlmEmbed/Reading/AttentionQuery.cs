namespace LlmEmbed.Reading;

/// <summary>What <see cref="Pooling.Attention"/> weighs the tokens by at one depth.</summary>
/// <param name="Depth">Of the states that are pooled.</param>
/// <param name="Values">[H], for states as they are.</param>
internal sealed record AttentionQuery(int Depth, float[] Values)
{
    /// <summary>The name of the tensor that holds a query of a classifier.</summary>
    /// <param name="backbone">The place of the backbone among those of the classifier, counted from 0.</param>
    /// <param name="depth">Of the query.</param>
    public static string TensorNameOf(int backbone, int depth) => $"attention.{backbone}.{depth}.query";
}
