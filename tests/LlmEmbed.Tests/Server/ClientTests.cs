using System.ClientModel;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using OpenAI;
using OpenAI.Embeddings;
using Xunit;

namespace LlmEmbed.Tests.Server;

/// <summary>The clients that people have get the library's own numbers, for texts alone and together.</summary>
[Collection(SharedServer.Name)]
public sealed class ClientTests(RunningServer server) : IDisposable
{
    private const float Promised = 1e-5f;

    private static readonly string[] Texts = [.. Requests.Generate(100, seed: 11).Select(example => example.Text)];

    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Address => server.Client.BaseAddress!.ToString().TrimEnd('/');

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Clients_for_node_embed_and_classify_a_hundred_texts()
    {
        foreach (string package in new[] { "openai", "@langchain/openai", "@huggingface/inference" }) Witness.Require(package);
        string file = _folder.Write("texts.json", JsonSerializer.Serialize(Texts));
        JsonNode given = Witness.Run("clients.mjs", Address, file, RunningServer.Classifier, RunningServer.Backbone).Succeeded().Json;
        Assert.Equal(server.Catalog.Models.Select(model => model.Id), given["models"]!.AsArray().Select(id => (string)id!));
        float[][] expected = Expected();
        foreach (string client in new[] { "openai", "openaiFloat", "langchain", "huggingface" })
        {
            if (client != "openaiFloat") AssertSame(expected, VectorsOf(given[client]!["alone"]!), $"{client}, alone");
            AssertSame(expected, VectorsOf(given[client]!["together"]!), $"{client}, together");
        }
        foreach ((int text, Prediction prediction) in server.LoadedClassifier.Predict(Texts, Cancellation).Index())
        {
            JsonArray scores = given["huggingfaceScores"]![text]!.AsArray();
            Assert.Equal(prediction.Ranked.Select(item => item.Label), scores.Select(score => (string)score!["label"]!));
            foreach ((LabelProbability item, JsonNode? score) in prediction.Ranked.Zip(scores))
                Assert.Equal(item.Probability, (float)score!["score"]!, Promised);
        }
        Assert.Equal("400 input true", (string)given["refused"]!);
    }

    [Fact]
    public async Task OpenAIs_client_for_NET_embeds_a_hundred_texts()
    {
        EmbeddingClient client = Client();
        OpenAIEmbeddingCollection together = await client.GenerateEmbeddingsAsync(Texts, options: null, Cancellation);
        AssertSame(Expected(), [.. together.Select(item => item.ToFloats().ToArray())], "together");
        Assert.True(together.Usage.InputTokenCount >= Texts.Length);
        float[][] alone = await Task.WhenAll(Texts.Select(
            async text => (await client.GenerateEmbeddingAsync(text, options: null, Cancellation)).Value.ToFloats().ToArray()));
        AssertSame(Expected(), alone, "alone");
        ClientResultException refused = await Assert.ThrowsAsync<ClientResultException>(
            async () => await client.GenerateEmbeddingsAsync([""], options: null, Cancellation));
        Assert.Equal(400, refused.Status);
        Assert.Contains("is empty", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_generator_of_Microsoft_Extensions_AI_embeds_a_hundred_texts()
    {
        using IEmbeddingGenerator<string, Embedding<float>> generator = Client().AsIEmbeddingGenerator();
        GeneratedEmbeddings<Embedding<float>> together = await generator.GenerateAsync(Texts, options: null, Cancellation);
        AssertSame(Expected(), [.. together.Select(item => item.Vector.ToArray())], "together");
        float[][] alone = await Task.WhenAll(
            Texts.Select(async text => (await generator.GenerateAsync(text, options: null, Cancellation)).Vector.ToArray()));
        AssertSame(Expected(), alone, "alone");
    }

    private EmbeddingClient Client() =>
        new(RunningServer.Backbone, new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = new Uri($"{Address}/v1") });

    /// <summary>The library's vectors, at length 1 as OpenAI's are.</summary>
    private float[][] Expected()
    {
        TextEmbeddings embeddings = server.LoadedEncoder.Encode(Texts, progress: null, Cancellation);
        return [.. Enumerable.Range(0, Texts.Length).Select(text =>
        {
            float[] vector = embeddings[text].ToArray();
            float length = MathF.Sqrt(vector.Sum(value => value * value));
            return (float[])[.. vector.Select(value => value / length)];
        })];
    }

    private static float[][] VectorsOf(JsonNode vectors) =>
        [.. vectors.AsArray().Select(vector => (float[])[.. vector!.AsArray().Select(number => (float)(double)number!)])];

    private static void AssertSame(float[][] expected, float[][] given, string what)
    {
        Assert.Equal(expected.Length, given.Length);
        float largest = 0;
        foreach ((int text, float[] vector) in expected.Index())
        {
            float scale = vector.Max(MathF.Abs);
            Vectors.AssertClose(vector, given[text], Promised * scale, $"{what}, text {text}");
            largest = Math.Max(largest, vector.Zip(given[text], (a, b) => MathF.Abs(a - b)).Max() / scale);
        }
        TestContext.Current.TestOutputHelper?.WriteLine($"{what}: the largest difference is {largest:0.0e0} of the largest value");
    }
}
