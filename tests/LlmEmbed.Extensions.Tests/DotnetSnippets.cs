using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.ML;
using Microsoft.ML.Data;

#pragma warning disable xUnit1051, MA0040 // a page's example needs no token of a test

namespace LlmEmbed.Tests;

/// <summary>The examples of docs/dotnet.md, compiled and run as they stand there.</summary>
internal static class DotnetSnippets
{
    public static async Task<int> GeneratorAsync()
    {
        // dotnet.md:generator
        using TextEncoder encoder = TextEncoder.Load("all-minilm-l6-v2", new EncoderOptions { Views = ViewSelection.TextVector });
        IEmbeddingGenerator<string, Embedding<float>> generator = encoder.AsEmbeddingGenerator();
        ReadOnlyMemory<float> vector = await generator.GenerateVectorAsync("Where is my parcel?"); // 384 numbers, length 1
        // end
        return vector.Length;
    }

    public static void Pipeline(IServiceCollection services)
    {
        // dotnet.md:pipeline
        services.AddLlmEmbedEmbeddingGenerator("all-minilm-l6-v2");
        services.AddDistributedMemoryCache();
        services.AddEmbeddingGenerator(provider => provider.GetRequiredService<LlmEmbedEmbeddingGenerator>()) // in Microsoft.Extensions.AI
            .UseDistributedCache()
            .UseOpenTelemetry();
        // end
    }

    public static void Container(IServiceCollection services)
    {
        // dotnet.md:container
        services.AddSingleton(new RuntimeOptions { WeightsFolder = "weights", Threads = 2 }); // how all models of this program run
        services.AddLlmEmbedClassifier("my-model");
        services.AddKeyedLlmEmbedClassifier("urgency", "models-of-mine/urgency", options => options.LoadAtStart = false);
        services.AddKeyedLlmEmbedEmbeddingGenerator("middle", "all-minilm-l6-v2", options => options.View = new View(4, Pooling.Mean));
        // end
    }

    public static string[] MLNet()
    {
        // dotnet.md:mlnet
        MLContext ml = new();
        IDataView requests = ml.Data.LoadFromTextFile<Request>("requests.csv", separatorChar: ',', hasHeader: true, allowQuoting: true);
        ITransformer pipeline = ml.Transforms.LlmEmbedPredict("my-model", nameof(Request.Text)).Fit(requests);
        ml.Model.Save(pipeline, requests.Schema, "pipeline.zip");

        MLContext elsewhere = new();
        elsewhere.ComponentCatalog.RegisterAssembly(typeof(LlmEmbedTransforms).Assembly);
        ITransformer loaded = elsewhere.Model.Load("pipeline.zip", out DataViewSchema schema);
        string[] labels = [.. loaded.Transform(requests).GetColumn<string>("PredictedLabel")];
        // end
        return labels;
    }

    /// <summary>A row of the file.</summary>
    private sealed class Request
    {
        [LoadColumn(0)]
        public string Text { get; set; } = "";
    }
}
