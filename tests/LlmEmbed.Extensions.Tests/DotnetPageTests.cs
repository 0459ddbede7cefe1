using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Xunit;

namespace LlmEmbed.Tests;

/// <summary>docs/dotnet.md shows what is compiled and run here.</summary>
[Collection(ProcessState.Name)]
public sealed partial class DotnetPageTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Every_example_is_the_code_that_is_tested()
    {
        string page = Read("docs", "dotnet.md"), tested = Read("tests", "LlmEmbed.Extensions.Tests", "DotnetSnippets.cs");
        Dictionary<string, string> regions = Region().Matches(tested).ToDictionary(
            match => match.Groups["name"].Value,
            match => string.Join('\n', match.Groups["code"].Value.Split('\n').Select(line => line.Length >= 8 ? line[8..] : line)),
            StringComparer.Ordinal);
        Dictionary<string, string> examples = Example().Matches(page).ToDictionary(
            match => match.Groups["name"].Value, match => match.Groups["code"].Value, StringComparer.Ordinal);
        Assert.Equal(regions, examples);
        Assert.Equal(4, examples.Count);
    }

    [Fact]
    public async Task The_generator_gives_what_the_page_says() => Assert.Equal(384, await DotnetSnippets.GeneratorAsync());

    [Fact]
    public async Task The_pipeline_of_the_page_embeds()
    {
        ServiceCollection services = new();
        DotnetSnippets.Pipeline(services);
        await using ServiceProvider provider = services.BuildServiceProvider();
        var generator = provider.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>();
        Assert.NotNull(generator.GetService<DistributedCachingEmbeddingGenerator<string, Embedding<float>>>());
        Assert.Equal(384, (await generator.GenerateVectorAsync("a text", cancellationToken: Models.Cancellation)).Length);
    }

    [Fact]
    public async Task The_container_of_the_page_has_what_it_names()
    {
        using IDisposable _ = ProcessState.WorkingFolder(_folder.Path);
        using (TextClassifier classifier = Models.Load(Models.Classifier)) classifier.Save("my-model");
        ServiceCollection services = new();
        DotnetSnippets.Container(services);
        services.AddSingleton(new RuntimeOptions { ModelFolders = [Repository.Fixtures, Repository.Models] }); // where the tests have their models
        await using ServiceProvider provider = services.BuildServiceProvider();
        Assert.Equal("billing", provider.GetRequiredService<ITextClassifier>().Predict("the invoice price").Label);
        var middle = provider.GetRequiredKeyedService<IEmbeddingGenerator<string, Embedding<float>>>("middle");
        Assert.Equal([new View(4, Pooling.Mean)], middle.GetRequiredService<TextEncoder>().Views);
        Assert.Contains(
            "models-of-mine/urgency: there is no such folder",
            Assert.Throws<OptionsValidationException>(() => provider.GetRequiredKeyedService<TextClassifier>("urgency")).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void The_pipeline_of_mlnet_classifies_a_file()
    {
        using IDisposable _ = ProcessState.WorkingFolder(_folder.Path);
        using TextClassifier classifier = Models.Load(Models.Classifier);
        LlmEmbedClassifiers.Use("my-model", classifier);
        _folder.Write("requests.csv", "text\nmy parcel is late\n\"the invoice, the price\"\n");
        Assert.Equal(["delivery", "billing"], DotnetSnippets.MLNet());
    }

    private static string Read(params string[] parts) => File.ReadAllText(Path.Combine([Repository.Root, .. parts])).ReplaceLineEndings("\n");

    [
        GeneratedRegex(
            @"^```csharp dotnet\.md:(?<name>\w+)\n(?<code>.*?)^```$",
            RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture,
            matchTimeoutMilliseconds: 1000),
    ]
    private static partial Regex Example();

    [
        GeneratedRegex(
            @"^ *// dotnet\.md:(?<name>\w+)\n(?<code>.*?)^ *// end$",
            RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture,
            matchTimeoutMilliseconds: 1000),
    ]
    private static partial Regex Region();
}
