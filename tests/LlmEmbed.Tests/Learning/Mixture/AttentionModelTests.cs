using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;
using Xunit;

namespace LlmEmbed.Tests.Learning;

public sealed class AttentionModelTests
{
    private const int HiddenSize = 6;

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void A_regression_on_what_is_pooled_of_states_as_they_are_is_the_model_on_standardized_states(int classCount)
    {
        DeterministicRandom random = new(8);
        Standardization standardization = new(TokenProblems.Normals(random, HiddenSize, 3), [0.5f, 2, 1, 4, 0.25f, 3]);
        AttentionModel model = new(standardization, classCount);
        foreach (HeadTensor parameter in model.Parameters) TokenProblems.Normals(random, parameter.Values.Length, 0.4).CopyTo(parameter.Values, 0);
        float[] states = TokenProblems.Normals(random, 7 * HiddenSize, 2), pooled = new float[HiddenSize], logits = new float[classCount];
        float[] shares = AttentionModel.Pool(states, model.RawQuery(), pooled);
        model.Regression().Logits(pooled, 1, logits);

        double factor = 4 / Math.Sqrt(HiddenSize);
        double[][] z = [.. states.Chunk(HiddenSize).Select(state =>
            state.Select((value, i) => ((double)value - standardization.Mean[i]) / standardization.Scale[i]).ToArray())];
        double[] powers = [.. z.Select(state => Math.Exp(factor * state.Zip(model.Query, (value, query) => value * query).Sum()))];
        double[] p = [.. Enumerable.Range(0, HiddenSize).Select(i => z.Zip(powers, (state, power) => power * state[i]).Sum() / powers.Sum())];
        double Expected(int k) =>
            model.Intercepts[k] + factor * p.Zip(model.Weights.Skip(k * HiddenSize), (value, weight) => value * weight).Sum();
        for (int t = 0; t < shares.Length; t++) Assert.Equal(powers[t] / powers.Sum(), shares[t], 1e-5);
        // What is the same for all classes says nothing of them.
        for (int k = 0; k < classCount; k++) Assert.Equal(Expected(k) - Expected(0), logits[k] - logits[0], 1e-4);
        Assert.InRange(Math.Abs(Expected(1) - Expected(0)), 0.1, double.MaxValue);
    }

    [Fact]
    public void Great_scores_do_not_overflow_and_a_text_without_tokens_is_pooled_to_zeros()
    {
        float[] pooled = [1, 1];
        Assert.Equal([1f, 0], AttentionModel.Pool([500, 7, 400, 9], [1000, 0], pooled));
        Assert.Equal([500f, 7], pooled);
        Assert.Empty(AttentionModel.Pool([], [1000, 0], pooled));
        Assert.Equal([0f, 0], pooled);
    }

    [Fact]
    public void The_standardization_is_that_of_all_tokens_at_one_depth()
    {
        TokenStates tokens = TokenStates.Allocate(TokenProblems.Backbone, [1, 2], 3, [0, 4, 0, 3, 60], long.MaxValue)!;
        DeterministicRandom random = new(4);
        List<double[]> all = [];
        for (int row = 0; row < tokens.Rows; row++)
        {
            tokens.Of(row, 1).Fill(5);
            Span<float> states = tokens.Of(row, 2);
            for (int i = 0; i < states.Length; i++)
                states[i] = (i % 3) switch { 0 => 3000, 1 => (float)HeadProblems.Normal(random), _ => 700 + random.Next(5) };
            all.AddRange(states.ToArray().Chunk(3).Select(state => state.Select(value => (double)value).ToArray()));
        }
        Standardization actual = AttentionModel.StandardizationOf(tokens, 2);
        Assert.Equal((3000f, 1f), (actual.Mean[0], actual.Scale[0]));
        foreach (int i in (int[])[1, 2])
        {
            double mean = all.Average(state => state[i]);
            Assert.Equal(mean, actual.Mean[i], 1e-4);
            Assert.Equal(Math.Sqrt(all.Average(state => (state[i] - mean) * (state[i] - mean))), actual.Scale[i], 1e-5);
        }
    }
}
