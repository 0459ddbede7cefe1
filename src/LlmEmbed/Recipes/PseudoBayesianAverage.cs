using System.Numerics.Tensors;
using LlmEmbed.Data;

namespace LlmEmbed.Recipes;

/// <summary>
/// Weights for an average of models from their losses on texts that they have not seen: the chance that a model is the best one, averaged over many
/// random weightings of the texts (pseudo-BMA with the Bayesian bootstrap, Yao et al. 2018). Few texts give weights near each other; many give nearly
/// all weight to the best model.
/// </summary>
internal static class PseudoBayesianAverage
{
    private const int Draws = 1000;

    /// <param name="losses">For each model the log loss of each of the N texts.</param>
    /// <param name="prior">What each model weighs before its losses are known.</param>
    /// <param name="seed">Of the draws.</param>
    /// <returns>A weight for each model; they sum to 1.</returns>
    public static double[] Weights(IReadOnlyList<double[]> losses, IReadOnlyList<double> prior, ulong seed)
    {
        DeterministicRandom random = new(seed);
        int count = losses[0].Length;
        double[] shares = new double[count], evidence = new double[losses.Count], weights = new double[losses.Count];
        for (int draw = 0; draw < Draws; draw++)
        {
            for (int text = 0; text < count; text++) shares[text] = -Math.Log(1 - random.NextDouble());
            double perShare = count / TensorPrimitives.Sum<double>(shares);
            for (int model = 0; model < losses.Count; model++)
                evidence[model] = Math.Log(prior[model]) - perShare * TensorPrimitives.Dot<double>(shares, losses[model]);
            TensorPrimitives.Subtract(evidence, TensorPrimitives.Max<double>(evidence), evidence);
            TensorPrimitives.SoftMax<double>(evidence, evidence);
            TensorPrimitives.MultiplyAdd(evidence, 1.0 / Draws, weights, weights);
        }
        return weights;
    }
}
