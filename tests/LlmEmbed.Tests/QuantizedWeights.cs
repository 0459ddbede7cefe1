using LlmEmbed.Tests;
using Xunit;

[assembly: AssemblyFixture(typeof(QuantizedWeights))]

namespace LlmEmbed.Tests;

/// <summary>
/// A folder that keeps the int8 weights of backbones for all tests of a run: quantizing SmolLM2 takes ten seconds, opening kept weights a tenth of
/// one.
/// EncoderEngineTests proves that both give the same embeddings.
/// </summary>
public sealed class QuantizedWeights : IDisposable
{
    private static readonly TemporaryFolder Kept = new();

    internal static string Folder => Kept.Path;

    public void Dispose() => Kept.Dispose();
}
