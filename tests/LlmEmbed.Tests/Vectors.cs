using Xunit;

namespace LlmEmbed.Tests;

/// <summary>Comparisons of vectors that say where two differ and by how much.</summary>
internal static class Vectors
{
    public static void AssertClose(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, float tolerance, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            float difference = MathF.Abs(expected[i] - actual[i]);
            Assert.True(difference <= tolerance, $"{what}: value {i} is {actual[i]}, expected {expected[i]}, differs by {difference}");
        }
    }

    /// <summary>Asserts that each view of each text differs by at most <paramref name="tolerance"/> times the largest value of that view.</summary>
    /// <param name="expected">The texts in one order.</param>
    /// <param name="actual">The same texts in another.</param>
    /// <param name="tolerance">Relative to the largest value; 0 asks for equal bits.</param>
    /// <param name="place">Where in <paramref name="actual"/> text i of <paramref name="expected"/> lies; null where the order is the same.</param>
    public static void AssertSame(TextEmbeddings expected, TextEmbeddings actual, float tolerance, Func<int, int>? place = null)
    {
        Assert.Equal(expected.Count, actual.Count);
        for (int text = 0; text < expected.Count; text++)
        {
            for (int view = 0; view < expected.Views.Count; view++)
            {
                float largest = expected[text, view].ToArray().Max(MathF.Abs);
                AssertClose(
                    expected[text, view], actual[place?.Invoke(text) ?? text, view], tolerance * largest, $"text {text}, {expected.Views[view]}");
            }
        }
    }
}
