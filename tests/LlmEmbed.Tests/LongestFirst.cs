using LlmEmbed.Tests;
using LlmEmbed.Tests.Cli;
using LlmEmbed.Tests.Comparison;
using LlmEmbed.Tests.Jobs;
using LlmEmbed.Tests.Models;
using LlmEmbed.Tests.Reading;
using Xunit;
using Xunit.Sdk;
using Xunit.v3;

[assembly: TestCollectionOrderer(typeof(LongestFirst))]

namespace LlmEmbed.Tests;

/// <summary>
/// Starts the classes that take longest first, so that no processor waits at the end for one class that began late.
/// Each class is a collection of its own, and the tests of a collection run one after the other.
/// </summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    private static readonly string[] Longest =
    [
        .. new[]
        {
            typeof(SlurmTests), typeof(TextClassifierTests), typeof(BadInputsTests), typeof(TextEncoderTests), typeof(InterruptionTests),
            typeof(EncoderEngineTests), typeof(CompareCommandTests), typeof(BackboneTests), typeof(PromptedClassifierTests),
        }.Select(type => type.FullName!),
    ];

    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection => [.. testCollections.OrderBy(Place)];

    private static int Place<TTestCollection>(TTestCollection collection)
        where TTestCollection : ITestCollection
    {
        int place = Array.FindIndex(Longest, name => collection.TestCollectionDisplayName.Contains(name, StringComparison.Ordinal));
        return place < 0 ? Longest.Length : place;
    }
}
