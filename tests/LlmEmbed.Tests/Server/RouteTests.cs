using System.Buffers.Binary;
using System.Net;
using System.Text.Json.Nodes;
using LlmEmbed.Reading;
using LlmEmbed.Tokenization;
using Xunit;

namespace LlmEmbed.Tests.Server;

/// <summary>Every route answers what the library computes.</summary>
[Collection(SharedServer.Name)]
public sealed class RouteTests(RunningServer server)
{
    private const float Promised = 1e-5f;
    private const string WhiteSpace = " \t ", ZeroWidthSpace = "\u200b";

    private static readonly string[] Texts = [.. Requests.Generate(12, seed: 7).Select(example => example.Text)];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Predict_gives_one_list_for_a_text_and_a_list_of_lists_for_a_batch()
    {
        JsonNode one = await server.AskAsync("/predict", new JsonObject { ["inputs"] = Texts[0] });
        AssertScores(server.LoadedClassifier.Predict(Texts[0]), one);
        AssertScores(server.LoadedClassifier.Predict(Texts[0]), await server.AskAsync("/predict", new JsonObject { ["inputs"] = List(Texts[0]) }));
        JsonNode batch = await server.AskAsync("/predict", new JsonObject { ["inputs"] = new JsonArray([.. Texts.Select(text => List(text))]) });
        Assert.Equal(Texts.Length, batch.AsArray().Count);
        foreach ((int index, Prediction prediction) in server.LoadedClassifier.Predict(Texts, Cancellation).Index())
            AssertScores(prediction, batch[index]!);
    }

    [Fact]
    public async Task Raw_scores_are_logarithms_of_the_probabilities()
    {
        JsonNode scores = await server.AskAsync("/predict", new JsonObject { ["inputs"] = Texts[1], ["raw_scores"] = true });
        Prediction expected = server.LoadedClassifier.Predict(Texts[1]);
        Assert.Equal(expected.Ranked.Select(item => item.Label), scores.AsArray().Select(score => (string?)score!["label"]));
        foreach ((LabelProbability item, JsonNode? score) in expected.Ranked.Zip(scores.AsArray()))
            Assert.Equal(item.Probability, Math.Exp((float)score!["score"]!), 1e-5);
    }

    [Theory]
    [InlineData("[\"a\", \"b\"]", "pair")]
    [InlineData("[[\"a\", \"b\"]]", "pair")]
    [InlineData("[[\"a\"], \"b\"]", "list of lists")]
    [InlineData("3", "a text")]
    [InlineData("{}", "a text")]
    public async Task Predict_takes_no_pairs(string inputs, string expected) => Assert.Contains(
        expected,
        await server.RefusedAsync(HttpStatusCode.UnprocessableEntity, "/predict", $$"""{"inputs": {{inputs}}}"""),
        StringComparison.Ordinal);

    [Fact]
    public async Task Embed_gives_the_encoders_vectors_at_length_1()
    {
        JsonNode all = await server.AskAsync("/embed", new JsonObject { ["inputs"] = List(Texts) });
        JsonNode raw = await server.AskAsync("/embed", new JsonObject { ["inputs"] = List(Texts), ["normalize"] = false });
        JsonNode cut = await server.AskAsync("/embed", new JsonObject { ["inputs"] = List(Texts), ["dimensions"] = 5 });
        TextEmbeddings expected = server.LoadedEncoder.Encode(Texts, progress: null, Cancellation);
        for (int i = 0; i < Texts.Length; i++)
        {
            AssertClose(expected[i], RunningServer.Floats(raw[i]));
            AssertClose(OfLength1(expected[i].ToArray()), RunningServer.Floats(all[i]));
            AssertClose(OfLength1(expected[i][..5].ToArray()), RunningServer.Floats(cut[i]));
        }
        JsonNode one = await server.AskAsync("/embed", new JsonObject { ["inputs"] = Texts[3] });
        AssertClose(RunningServer.Floats(all[3]), RunningServer.Floats(Assert.Single(one.AsArray())));
    }

    [Theory]
    [InlineData(null, "query")]
    [InlineData("passage", "passage")]
    public async Task A_prompt_of_the_repository_may_be_named(string? sent, string read)
    {
        JsonObject body = new() { ["inputs"] = Texts[0], ["model"] = RunningServer.Prompted };
        if (sent is not null) body["prompt_name"] = sent;
        Precision precision = server.Catalog.Encoder(RunningServer.Prompted)!.Encoder.Precision;
        EncoderOptions options = new() { Views = ViewSelection.At(null, [Pooling.Sentence]), PromptName = read, Precision = precision };
        using TextEncoder encoder = Requests.LoadEncoder(RunningServer.Prompted, options);
        JsonNode vectors = await server.AskAsync("/embed", body);
        AssertClose(OfLength1(encoder.Encode([Texts[0]], progress: null, Cancellation)[0].ToArray()), RunningServer.Floats(vectors[0]));
    }

    [Fact]
    public async Task Similarity_is_the_cosine_of_vectors()
    {
        JsonNode cosines = await server.AskAsync(
            "/similarity",
            new JsonObject { ["inputs"] = new JsonObject { ["source_sentence"] = Texts[0], ["sentences"] = List(Texts[0], Texts[1], Texts[2]) } });
        TextEmbeddings vectors = server.LoadedEncoder.Encode(Texts, progress: null, Cancellation);
        float[] expected = [.. Enumerable.Range(0, 3).Select(i => Cosine(vectors[0], vectors[i]))];
        AssertClose(expected, RunningServer.Floats(cosines));
        Assert.Equal(1, expected[0], 1e-5);
    }

    [Fact]
    public async Task Tokenize_shows_ids_tokens_and_which_are_special()
    {
        JsonNode tokens = await server.AskAsync("/tokenize", new JsonObject { ["inputs"] = List("a film", "b"), ["model"] = RunningServer.Backbone });
        Tokenizer tokenizer = Tokenizer.Load(Repository.Fixture("bert"));
        int[] ids = tokenizer.Encode("a film").Ids;
        Assert.Equal(ids, tokens[0]!.AsArray().Select(token => (int)token!["id"]!));
        Assert.Equal(ids.Select(tokenizer.TokenText), tokens[0]!.AsArray().Select(token => (string)token!["text"]!));
        Assert.Equal([true, .. Enumerable.Repeat(false, ids.Length - 2), true], tokens[0]!.AsArray().Select(token => (bool)token!["special"]!));
        Assert.True(tokens[0]![0]!.AsObject().ContainsKey("start"));
        JsonNode bare = await server.AskAsync("/tokenize", new JsonObject { ["inputs"] = "a film", ["add_special_tokens"] = false });
        Assert.Equal(ids[1..^1], bare[0]!.AsArray().Select(token => (int)token!["id"]!));
    }

    [Fact]
    public async Task The_root_predicts_with_a_classifier_and_embeds_with_a_backbone()
    {
        AssertScores(server.LoadedClassifier.Predict(Texts[0]), await server.AskAsync("/", new JsonObject { ["inputs"] = Texts[0] }));
        JsonNode vectors = await server.AskAsync("/", new JsonObject { ["inputs"] = Texts[0], ["model"] = RunningServer.Backbone });
        Assert.Equal(server.LoadedEncoder.HiddenSize, vectors[0]!.AsArray().Count);
    }

    [Theory]
    [InlineData("/v1/embeddings")]
    [InlineData("/embeddings")]
    [InlineData("/models/bert/v1/embeddings")]
    [InlineData("/models/bert/embeddings")]
    public async Task OpenAIs_embeddings_are_the_same_in_both_formats(string path)
    {
        JsonObject body = new() { ["input"] = List(Texts), ["model"] = RunningServer.Backbone, ["encoding_format"] = "float" };
        JsonNode floats = await server.AskAsync(path, body);
        body["encoding_format"] = "base64";
        JsonNode base64 = await server.AskAsync(path, body);
        TextEmbeddings expected = server.LoadedEncoder.Encode(Texts, progress: null, Cancellation);
        Assert.Equal(("list", RunningServer.Backbone), ((string)floats["object"]!, (string)floats["model"]!));
        for (int i = 0; i < Texts.Length; i++)
        {
            Assert.Equal((i, "embedding"), ((int)floats["data"]![i]!["index"]!, (string)floats["data"]![i]!["object"]!));
            float[] values = RunningServer.Floats(floats["data"]![i]!["embedding"]);
            AssertClose(OfLength1(expected[i].ToArray()), values);
            AssertClose(values, FromBase64(base64["data"]![i]!["embedding"]!));
        }
        Assert.True((int)floats["usage"]!["prompt_tokens"]! >= Texts.Length);
    }

    [Fact]
    public async Task Models_are_listed_and_described()
    {
        JsonNode list = await RunningServer.JsonOf(await server.GetAsync("/v1/models"));
        string[] ids = [RunningServer.Classifier, RunningServer.Backbone, RunningServer.Prompted];
        Assert.Equal(ids, list["data"]!.AsArray().Select(model => (string)model!["id"]!));
        foreach (string id in ids)
        {
            Assert.Equal(id, (string)(await RunningServer.JsonOf(await server.GetAsync($"/v1/models/{id}")))["id"]!);
            Assert.Equal(id, (string)(await RunningServer.JsonOf(await server.GetAsync($"/models/{Uri.EscapeDataString(id)}")))["id"]!);
        }
        JsonNode described = (await RunningServer.JsonOf(await server.GetAsync("/models")))[0]!;
        Assert.Equal(server.LoadedClassifier.Labels, described["labels"]!.AsArray().Select(label => (string)label!));
        Assert.Equal(server.LoadedClassifier.Facts.Count, described["facts"]!.AsArray().Count);
        Assert.Equal(server.LoadedClassifier.ParameterCount, (long)described["parameters"]!);
        Assert.True((bool)described["has_report"]!);
        Assert.Equal(27, (int)(await RunningServer.JsonOf(await server.GetAsync("/models/requests/report")))["n"]!);
        using HttpResponseMessage page = await server.GetAsync("/models/requests/report.html");
        Assert.Equal("text/html", page.Content.Headers.ContentType!.MediaType);
        await RunningServer.RefusalOf(HttpStatusCode.NotFound, await server.GetAsync("/models/bert/report"));
        await RunningServer.RefusalOf(HttpStatusCode.NotFound, await server.GetAsync("/models/nobody"));
    }

    [Theory]
    [InlineData("/pipeline/text-classification")]
    [InlineData("/models/requests")]
    [InlineData("/models/requests/")]
    [InlineData("/models/requests/pipeline/text-classification")]
    public async Task Hugging_Faces_shape_is_nested_for_one_text_too(string path)
    {
        JsonNode one = await server.AskAsync(path, new JsonObject { ["inputs"] = Texts[0] });
        AssertScores(server.LoadedClassifier.Predict(Texts[0]), Assert.Single(one.AsArray())!);
        JsonNode many = await server.AskAsync(
            path, new JsonObject { ["inputs"] = List(Texts), ["parameters"] = new JsonObject { ["top_k"] = 1, ["function_to_apply"] = "softmax" } });
        Assert.Equal(
            server.LoadedClassifier.Predict(Texts, Cancellation).Select(prediction => prediction.Label),
            many.AsArray().Select(scores => (string)Assert.Single(scores!.AsArray())!["label"]!));
    }

    [Theory]
    [InlineData("/pipeline/feature-extraction")]
    [InlineData("/models/sentence/e5-default")]
    [InlineData("/models/sentence%2Fe5-default/embed")]
    public async Task Features_are_extracted_by_the_model_of_the_path(string path)
    {
        JsonNode vectors = await server.AskAsync(path, new JsonObject { ["inputs"] = List(Texts[0]) });
        JsonNode expected = await server.AskAsync(
            "/embed",
            new JsonObject
            {
                ["inputs"] = Texts[0],
                ["model"] = path.StartsWith("/models", StringComparison.Ordinal) ? RunningServer.Prompted : RunningServer.Backbone,
            });
        AssertClose(RunningServer.Floats(expected[0]), RunningServer.Floats(vectors[0]));
    }

    [Fact]
    public async Task Classify_says_what_is_known_of_each_text()
    {
        string tooLong = string.Join(' ', Enumerable.Repeat("the parcel is late", 200));
        string[] texts = [Texts[0], WhiteSpace, tooLong, ZeroWidthSpace];
        JsonObject body = new() { ["inputs"] = List(texts), ["top"] = 2 };
        using HttpResponseMessage response = await server.PostAsync("/classify", body.ToJsonString());
        JsonNode answer = await RunningServer.JsonOf(response);
        Prediction[] expected = [.. server.LoadedClassifier.Predict(texts, Cancellation)];
        Assert.Equal([false, true, false, true], answer.AsArray().Select(item => (bool)item!["empty"]!));
        Assert.Equal([false, false, true, false], answer.AsArray().Select(item => (bool)item!["truncated"]!));
        Assert.Equal(expected.Select(item => item.IsEmpty ? null : item.Label), answer.AsArray().Select(item => (string?)item!["label"]));
        Assert.Equal([2, 0, 2, 0], answer.AsArray().Select(item => item!["classes"]!.AsArray().Count));
        Assert.Equal(expected[0].Probability, (float)answer[0]!["probability"]!, 1e-5);
        Assert.Equal(("1", "2"), (response.Headers.GetValues("x-truncated-texts").Single(), response.Headers.GetValues("x-empty-texts").Single()));
        Assert.True(answer[1]!.AsObject().ContainsKey("label"));
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("\"all\"", "\"mean\"")]
    [InlineData("[0, -1]", "[\"mean\", \"last\"]")]
    [InlineData("\"50%,1\"", "\"first\"")]
    [InlineData("1", null)]
    public async Task Hidden_states_are_what_embed_writes(string? depths, string? pooling)
    {
        JsonObject body = new() { ["inputs"] = List(Texts), ["backbone"] = RunningServer.Backbone };
        if (depths is not null) body["depths"] = JsonNode.Parse(depths);
        if (pooling is not null) body["pooling"] = JsonNode.Parse(pooling);
        JsonNode floats = await server.AskAsync("/hidden-states", body);
        body["encoding_format"] = "base64";
        JsonNode base64 = await server.AskAsync("/hidden-states", body);
        string? list = depths?.Trim('"', '[', ']').Replace(" ", "", StringComparison.Ordinal);
        Pooling[]? poolings = pooling is null ? null : [.. pooling.Split('"').Where((_, i) => i % 2 == 1).Select(Poolings.Parse)];
        using TextEncoder encoder = Requests.LoadEncoder(
            RunningServer.Backbone, new EncoderOptions { Views = ViewSelection.At(list, poolings), Precision = Precision.Fp32 });
        TextEmbeddings expected = encoder.Encode(Texts, progress: null, Cancellation);
        Assert.Equal(encoder.Views.Select(view => view.Depth), floats["views"]!.AsArray().Select(view => (int)view!["depth"]!));
        for (int i = 0; i < Texts.Length; i++)
        {
            for (int view = 0; view < encoder.Views.Count; view++)
            {
                AssertClose(expected[i, view], RunningServer.Floats(floats["data"]![i]!["vectors"]![view]));
                AssertClose(expected[i, view], FromBase64(base64["data"]![i]!["vectors"]![view]!));
            }
        }
    }

    [Theory]
    [InlineData("\"pooling\": \"sum\"", "sum")]
    [InlineData("\"depths\": 99", "99")]
    [InlineData("\"depths\": \"deep\"", "deep")]
    [InlineData("\"depths\": true", "depths")]
    [InlineData("\"pooling\": [1]", "names")]
    [InlineData("\"max_tokens\": 100000", "100")]
    [InlineData("\"max_tokens\": 0", "0")]
    [InlineData("\"prompt_name\": \"query\"", "prompt")]
    [InlineData("\"encoding_format\": \"hex\"", "base64")]
    [InlineData("\"model\": \"bert\", \"backbone\": \"requests\"", "two models")]
    [InlineData("\"model\": \"requests\"", "another kind")]
    public async Task Hidden_states_that_are_not_there_are_refused(string field, string expected) => Assert.Contains(
        expected,
        await server.RefusedAsync(HttpStatusCode.UnprocessableEntity, "/hidden-states", $$"""{"inputs": "a secret", {{field}}}"""),
        StringComparison.Ordinal);

    [Theory]
    [InlineData("/health", "ready")]
    [InlineData("/ping", "ready")]
    [InlineData("/health/ready", "ready")]
    [InlineData("/health/live", "live")]
    public async Task Health_is_told(string path, string status) =>
        Assert.Equal(status, (string)(await RunningServer.JsonOf(await server.GetAsync(path)))["status"]!);

    [Fact]
    public async Task Info_tells_what_TEIs_clients_ask_for()
    {
        JsonNode first = await RunningServer.JsonOf(await server.GetAsync("/info"));
        Assert.Equal(server.LoadedClassifier.Labels, first["model_type"]!["classifier"]!["id2label"]!.AsObject().Select(pair => (string)pair.Value!));
        Assert.Equal(1, (int)first["model_type"]!["classifier"]!["label2id"]![server.LoadedClassifier.Labels[1]]!);
        JsonNode other = await RunningServer.JsonOf(await server.GetAsync("/models/bert/info"));
        Assert.Equal((RunningServer.Backbone, true), ((string)other["model_id"]!, (bool)other["auto_truncate"]!));
        Assert.NotNull((string)other["model_type"]!["embedding"]!["pooling"]!);
        Assert.True((int)other["max_input_length"]! > 0);
    }

    [Fact]
    public async Task An_answer_tells_its_times_and_sizes_in_headers()
    {
        using HttpResponseMessage response = await server.PostAsync("/embed", """{"inputs": ["four", "five5"]}""");
        string Header(string name) => response.Headers.GetValues(name).Single();
        Assert.Equal(("cpu", "9"), (Header("x-compute-type"), Header("x-compute-characters")));
        Assert.True(int.Parse(Header("x-compute-tokens")) >= 2);
        foreach (string name in new[] { "x-total-time", "x-compute-time", "x-tokenization-time", "x-queue-time", "x-inference-time" })
            Assert.True(long.Parse(Header(name)) >= 0);
    }

    [Fact]
    public async Task A_batch_of_any_size_is_taken()
    {
        string[] texts = [.. Enumerable.Range(0, 3000).Select(i => $"parcel {i % 50}")];
        JsonNode answer = await server.AskAsync("/classify", new JsonObject { ["inputs"] = List(texts), ["top"] = 1 });
        Assert.Equal(3000, answer.AsArray().Count);
        Assert.Equal(
            server.LoadedClassifier.Predict(texts[..50], Cancellation).Select(prediction => prediction.Label),
            answer.AsArray().Skip(2950).Select(item => (string)item!["label"]!));
    }

    private static void AssertScores(Prediction expected, JsonNode scores)
    {
        Assert.Equal(expected.Ranked.Select(item => item.Label), scores.AsArray().Select(score => (string)score!["label"]!));
        foreach ((LabelProbability item, JsonNode? score) in expected.Ranked.Zip(scores.AsArray()))
            Assert.Equal(item.Probability, (float)score!["score"]!, Promised);
    }

    private static void AssertClose(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual) =>
        Vectors.AssertClose(expected, actual, Promised * expected.ToArray().Max(MathF.Abs), "vector");

    private static JsonArray List(params string[] texts) => [.. texts.Select(text => JsonValue.Create(text))];

    private static float[] OfLength1(float[] values)
    {
        float norm = MathF.Sqrt(values.Sum(value => value * value));
        return [.. values.Select(value => value / norm)];
    }

    private static float Cosine(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        float sum = 0;
        float[] left = OfLength1(a.ToArray()), right = OfLength1(b.ToArray());
        for (int i = 0; i < left.Length; i++) sum += left[i] * right[i];
        return sum;
    }

    private static float[] FromBase64(JsonNode node)
    {
        byte[] bytes = Convert.FromBase64String((string)node!);
        return [.. Enumerable.Range(0, bytes.Length / 4).Select(i => BinaryPrimitives.ReadSingleLittleEndian(bytes.AsSpan(4 * i)))];
    }
}
