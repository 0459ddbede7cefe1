using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using CsCheck;
using Xunit;

namespace LlmEmbed.Tests.Server;

/// <summary>What is wrong with a request is said in the shape of its route, and never by a 5xx.</summary>
[Collection(SharedServer.Name)]
public sealed class ProblemTests(RunningServer server)
{
    /// <summary>Every route that reads texts, with the field that holds them.</summary>
    private static readonly (string Path, string Field)[] Readers =
    [
        ("/predict", "inputs"), ("/embed", "inputs"), ("/tokenize", "inputs"), ("/", "inputs"), ("/classify", "inputs"), ("/hidden-states", "inputs"),
        ("/v1/embeddings", "input"), ("/embeddings", "input"),
        ("/pipeline/text-classification", "inputs"), ("/pipeline/feature-extraction", "inputs"), ("/models/requests", "inputs"),
        ("/models/bert/embed", "inputs"),
    ];

    private const string ManyPoolings = "[\"mean\", \"mean-skip-first\", \"last\", \"first\", \"max\", \"weighted-mean\"]";

    public static TheoryData<string, string> RoutesOfTexts => [.. Readers.Select(route => (route.Path, route.Field))];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(RoutesOfTexts))]
    public async Task An_empty_text_or_list_is_a_400(string path, string field)
    {
        Assert.Contains("empty", await server.RefusedAsync(HttpStatusCode.BadRequest, path, $$"""{"{{field}}": ""}"""), StringComparison.Ordinal);
        Assert.Contains("no text", await server.RefusedAsync(HttpStatusCode.BadRequest, path, $$"""{"{{field}}": []}"""), StringComparison.Ordinal);
        string list = path is "/predict" or "/" ? """[["a secret"], [""]]""" : """["a secret", ""]""";
        Assert.Contains(
            "Text 1", await server.RefusedAsync(HttpStatusCode.BadRequest, path, $$"""{"{{field}}": {{list}}}"""), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(RoutesOfTexts))]
    public async Task What_is_no_json_is_a_400(string path, string field)
    {
        string[] bodies =
        [
            "", "{", "a secret", $$"""{"{{field}}": "a secret",}""", $$"""{"{{field}}": "a secret"} x""", $$"""{"{{field}}": 'a secret'}""",
            string.Concat(Enumerable.Repeat("[", 5000)), $$"""{"{{field}}": [[[[[[[[[1]]]]]]]]]}""",
        ];
        foreach (string body in bodies) await server.RefusedAsync(HttpStatusCode.BadRequest, path, body);
        using HttpResponseMessage invalid = await server.PostAsync(path, [.. Encoding.UTF8.GetBytes($$"""{"{{field}}": "a"""), 0xff, .. "\"}"u8]);
        Assert.InRange((int)invalid.StatusCode, 400, 422);
    }

    [Theory]
    [MemberData(nameof(RoutesOfTexts))]
    public async Task What_is_of_another_shape_is_named(string path, string field)
    {
        HttpStatusCode status = StatusOfShape(path);
        (string Body, string Expected)[] cases =
        [
            ("{}", $"'{field}' is missing"),
            ($$"""{"{{field}}": null}""", $"'{field}' is missing"),
            ("null", "an object"),
            ("[]", "an object"),
            ($$"""{"{{field}}": 3.5}""", $"'{field}'"),
            ($$"""{"{{field}}": [true]}""", $"'{field}'"),
            ($$"""{"{{field}}": {"text": "a secret"} }""", $"'{field}'"),
            ($$"""{"{{field}}": "a secret", "{{field}}": "a secret"}""", "once"),
            ($$"""{"{{field}}": "a secret", "model": 7}""", "'model'"),
        ];
        foreach ((string body, string expected) in cases)
            Assert.Contains(expected, await server.RefusedAsync(status, path, body), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(RoutesOfTexts))]
    public async Task Strange_texts_are_read(string path, string field)
    {
        string[] texts =
        [
            "\\u0000", "a\\u0000b", "\\ud800", "\\udc00\\ud800", "film \\ud83d", "\\ud83d\\ude00", "\\n\\n\\r\\n", "\\t", "\\/\\\\\\\"\\b\\f",
            "\ufffe",
            "\u202e\u200d", string.Concat(Enumerable.Repeat("\\n", 20_000)),
        ];
        foreach (string text in texts)
        {
            using HttpResponseMessage response = await server.PostAsync(path, $$"""{"{{field}}": "{{text}}"}""");
            Assert.True(response.StatusCode == HttpStatusCode.OK, $"{text.Length}: {await response.Content.ReadAsStringAsync(Cancellation)}");
        }
    }

    [Fact]
    public async Task Half_a_surrogate_pair_counts_as_in_the_library()
    {
        JsonNode answer = await RunningServer.JsonOf(await server.PostAsync("/classify", """{"inputs": "late \ud83d parcel\n\u0041"}"""));
        Prediction expected = server.LoadedClassifier.Predict("late \ufffd parcel\nA");
        Assert.Equal(expected.Label, (string)answer[0]!["label"]!);
        Assert.Equal(expected.Probability, (float)answer[0]!["probability"]!, 1e-5);
    }

    [Fact]
    public async Task A_text_of_a_megabyte_is_truncated_and_said_to_be()
    {
        string text = string.Concat(Enumerable.Repeat("parcel ", 150_000));
        using HttpResponseMessage response = await server.PostAsync("/v1/embeddings", new JsonObject { ["input"] = text }.ToJsonString());
        JsonNode answer = await RunningServer.JsonOf(response);
        Assert.True((bool)answer["data"]![0]!["truncated"]!);
        Assert.Equal("1", response.Headers.GetValues("x-truncated-texts").Single());
    }

    [Theory]
    [InlineData("/predict")]
    [InlineData("/embed")]
    [InlineData("/classify")]
    [InlineData("/hidden-states")]
    public async Task A_text_that_is_too_long_is_a_422_where_truncation_is_off(string path)
    {
        string text = string.Concat(Enumerable.Repeat("parcel ", 400));
        JsonObject body = new() { ["inputs"] = text, ["truncate"] = false };
        Assert.Contains(
            "tokens", await server.RefusedAsync(HttpStatusCode.UnprocessableEntity, path, body.ToJsonString()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Errors_have_the_shape_of_their_route()
    {
        using HttpResponseMessage tei = await server.PostAsync("/embed", """{"inputs": []}""");
        JsonNode ofTei = JsonNode.Parse(await tei.Content.ReadAsStringAsync(Cancellation))!;
        Assert.Equal(["error", "error_type"], ofTei.AsObject().Select(pair => pair.Key));
        Assert.Equal("empty", (string)ofTei["error_type"]!);
        foreach (string path in new[] { "/v1/embeddings", "/models/bert/v1/embeddings" })
        {
            using HttpResponseMessage openAi = await server.PostAsync(path, """{"input": "a", "encoding_format": "hex"}""");
            Assert.Equal(HttpStatusCode.BadRequest, openAi.StatusCode);
            JsonNode ofOpenAi = JsonNode.Parse(await openAi.Content.ReadAsStringAsync(Cancellation))!["error"]!;
            Assert.Equal(["message", "type", "param", "code"], ofOpenAi.AsObject().Select(pair => pair.Key));
            Assert.Equal(("invalid_request_error", "encoding_format"), ((string)ofOpenAi["type"]!, (string)ofOpenAi["param"]!));
            Assert.StartsWith("req_", openAi.Headers.GetValues("x-request-id").Single(), StringComparison.Ordinal);
            Assert.Equal("false", openAi.Headers.GetValues("x-should-retry").Single());
        }
        using HttpResponseMessage answer = await server.PostAsync("/v1/embeddings", """{"input": "a"}""");
        Assert.StartsWith("req_", answer.Headers.GetValues("x-request-id").Single(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("text/plain")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("application/json; charset=latin1")]
    public async Task Json_must_be_called_json(string? contentType)
    {
        foreach ((string path, string field) in Readers)
        {
            using HttpResponseMessage response = await server.PostAsync(path, Encoding.UTF8.GetBytes($$"""{"{{field}}": "a"}"""), contentType);
            Assert.Contains(
                "Content-Type", await RunningServer.RefusalOf(HttpStatusCode.UnsupportedMediaType, response), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("application/json")]
    [InlineData("application/json; charset=\"UTF-8\"")]
    [InlineData("application/vnd.api+json")]
    public async Task Json_has_several_names(string contentType)
    {
        byte[] body = [.. "\ufeff"u8, .. """{"inputs": "a"}"""u8];
        await RunningServer.JsonOf(await server.PostAsync("/classify", body, contentType));
    }

    [Fact]
    public async Task Token_ids_are_refused_with_the_way_out()
    {
        foreach (string ids in new[] { "[1, 2, 3]", "[[1, 2], [3]]" })
            Assert.Contains(
                "check_embedding_ctx_length=False",
                await server.RefusedAsync(HttpStatusCode.BadRequest, "/v1/embeddings", $$"""{"input": {{ids}}}"""),
                StringComparison.Ordinal);
        foreach (string mixed in new[] { "[1, \"a secret\"]", "[[1], \"a secret\"]", "[-1]", "[1.5]", "[[\"a secret\"]]", "[1, [2]]" })
            await server.RefusedAsync(HttpStatusCode.BadRequest, "/v1/embeddings", $$"""{"input": {{mixed}}}""");
    }

    [Theory]
    [InlineData("/classify", """{"inputs": "a", "model": "bert"}""", "another kind")]
    [InlineData("/embed", """{"inputs": "a", "model": "requests"}""", "another kind")]
    [InlineData("/models/bert/classify", """{"inputs": "a"}""", "another kind")]
    [InlineData("/classify", """{"inputs": "a", "top": 0}""", "at least 1")]
    [InlineData("/classify", """{"inputs": "a", "top": "3"}""", "whole number")]
    [InlineData("/pipeline/text-classification", """{"inputs": "a", "parameters": {"function_to_apply": "sigmoid"}}""", "exclude")]
    [InlineData("/pipeline/text-classification", """{"inputs": "a", "parameters": {"top_k": -1}}""", "at least 1")]
    [InlineData("/pipeline/text-classification", """{"inputs": "a", "parameters": 3}""", "'parameters'")]
    [InlineData("/embed", """{"inputs": "a", "dimensions": 0}""", "1 to")]
    [InlineData("/embed", """{"inputs": "a", "dimensions": 100000}""", "1 to")]
    [InlineData("/embed", """{"inputs": "a", "normalize": "yes"}""", "true or false")]
    [InlineData("/embed", """{"inputs": "a", "truncation_direction": "left"}""", "right")]
    [InlineData("/embed", """{"inputs": "a", "prompt_name": "nobody"}""", "prompt")]
    [InlineData("/similarity", """{"inputs": {"sentences": ["a"]}}""", "source_sentence")]
    [InlineData("/similarity", """{"inputs": "a secret"}""", "'inputs'")]
    public async Task Options_that_cannot_be_followed_are_refused(string path, string body, string expected) =>
        Assert.Contains(expected, await server.RefusedAsync(HttpStatusCode.UnprocessableEntity, path, body), StringComparison.Ordinal);

    [Fact]
    public async Task An_unknown_model_in_a_body_is_answered_by_the_first_and_in_a_path_is_a_404()
    {
        using HttpResponseMessage answered = await server.PostAsync("/v1/embeddings", """{"input": "a", "model": "text-embedding-3-small"}""");
        Assert.Equal(RunningServer.Backbone, (string)(await RunningServer.JsonOf(answered))["model"]!);
        Assert.Contains("not served", answered.Headers.GetValues("x-llmembed-warning").Single(), StringComparison.Ordinal);
        Assert.Equal(RunningServer.Backbone, answered.Headers.GetValues("x-llmembed-model").Single());
        foreach (string path in new[] { "/models/nobody", "/models/nobody/embed", "/models/bert/nothing", "/models/embed", "/models/bertembed" })
            await server.RefusedAsync(HttpStatusCode.NotFound, path, """{"inputs": "a"}""");
    }

    [Fact]
    public async Task An_answer_that_would_fill_the_memory_is_refused_before_anything_is_computed()
    {
        await using RunningServer wide = new();
        await wide.StartAsync(options => options with { MaxTexts = 100_000 });
        await RefusedAsync(wide, "/hidden-states", 70_000, "at once", ", \"depths\": \"all\", \"pooling\": " + ManyPoolings);
        await RefusedAsync(server, "/embed", 20_001, "20,000", "");
        string letters = string.Concat(Enumerable.Repeat("a ", 1_000_001));
        Assert.Contains(
            "tokens",
            await server.RefusedAsync(HttpStatusCode.UnprocessableEntity, "/tokenize", $$"""{"inputs": "{{letters}}"}"""),
            StringComparison.Ordinal);

        static async Task RefusedAsync(RunningServer server, string path, int texts, string expected, string more)
        {
            string list = string.Join(", ", Enumerable.Repeat("\"a\"", texts));
            string message = await server.RefusedAsync(HttpStatusCode.UnprocessableEntity, path, $$"""{"inputs": [{{list}}]{{more}}}""");
            Assert.Contains(expected, message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_view_that_is_named_twice_is_given_once()
    {
        JsonArray poolings = [.. Enumerable.Repeat("mean", 1000)];
        JsonObject body = new() { ["inputs"] = "a", ["depths"] = "1,1,-1,all", ["pooling"] = poolings };
        JsonNode answer = await server.AskAsync("/hidden-states", body);
        Assert.Equal(server.LoadedEncoder.BlockCount + 1, answer["views"]!.AsArray().Count);
    }

    [Fact]
    public async Task Generated_garbage_never_is_a_5xx()
    {
        string[] pieces =
        [
            "{", "}", "[", "]", ",", ":", "\"inputs\"", "\"input\"", "\"model\"", "\"depths\"", "\"pooling\"", "\"parameters\"", "\\", "\"", "\u0000",
        ];
        string[] values = ["\"a\"", "\"\"", "\"bert\"", "\"all\"", "\"\\ud800\"", "1", "-1", "1e999", "null", "true", "{}", "[]", "[\"a\"]", "[[1]]"];
        Gen<string> piece = Gen.Int[0, pieces.Length + values.Length - 1].Select(i => i < pieces.Length ? pieces[i] : values[i - pieces.Length]);
        Gen<string> value = Gen.Int[0, values.Length - 1].Select(i => values[i]);
        Gen<string> garbage = Gen.OneOf(
            piece.Array[0, 24].Select(string.Concat),
            value.Array[0, 6].Select(list => $$"""{"inputs": [{{string.Join(", ", list)}}], "input": {{list.FirstOrDefault("1")}}}"""));
        List<(string Path, string Body)> requests = [];
        garbage.Sample(
            body => requests.Add((Readers[requests.Count % Readers.Length].Path, body)), iter: 600, threads: 1, seed: "0000000000001");
        foreach ((string path, string body) in requests)
        {
            using HttpResponseMessage response = await server.PostAsync(path, body);
            Assert.True((int)response.StatusCode < 500, $"{path} {body}: {(int)response.StatusCode}");
            if (!response.IsSuccessStatusCode) await RunningServer.RefusalOf(response.StatusCode, response);
        }
        Assert.DoesNotContain(server.Log.Lines, line => line.Contains("failed", StringComparison.Ordinal));
    }

    private static HttpStatusCode StatusOfShape(string path) =>
        path is "/v1/embeddings" or "/embeddings" ? HttpStatusCode.BadRequest : HttpStatusCode.UnprocessableEntity;
}
