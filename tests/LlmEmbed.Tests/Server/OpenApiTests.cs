using System.Text.Json.Nodes;
using LlmEmbed.Server.Routes;
using LlmEmbed.Tests.Cli;
using Xunit;

namespace LlmEmbed.Tests.Server;

/// <summary>The description of the routes, for programs that generate clients.</summary>
[Collection(SharedServer.Name)]
public sealed class OpenApiTests(RunningServer server)
{
    [Fact]
    public async Task Every_route_is_described_with_its_body_its_answer_and_its_problems()
    {
        JsonNode document = await RunningServer.JsonOf(await server.GetAsync("/openapi/v1.json"));
        Assert.StartsWith("3.1", (string)document["openapi"]!, StringComparison.Ordinal);
        foreach (Route route in RouteMap.All)
        {
            JsonNode? operation = document["paths"]![route.Path.Replace("**", "", StringComparison.Ordinal)]?[route.Method.ToLowerInvariant()];
            Assert.True(operation is not null, $"{route.Method} {route.Path} is not described");
            Assert.Equal(route.Name, (string)operation["operationId"]!);
            Assert.Equal(route.Request is not null, operation["requestBody"] is not null);
            Assert.Equal(
                ["200", .. route.Problems.Order().Select(status => $"{status}")],
                operation["responses"]!.AsObject().Select(pair => pair.Key).Order(StringComparer.Ordinal));
        }
        Assert.Equal(
            RouteMap.All.Count, document["paths"]!.AsObject().Sum(path => path.Value!.AsObject().Count(pair => pair.Key is "get" or "post")));
    }

    [Fact]
    public async Task Names_of_fields_are_in_snake_case()
    {
        JsonNode document = await RunningServer.JsonOf(await server.GetAsync("/openapi/v1.json"));
        foreach ((string type, JsonNode? schema) in document["components"]!["schemas"]!.AsObject())
            foreach ((string name, JsonNode? _) in schema!["properties"]?.AsObject() ?? [])
                Assert.Matches("^[a-z0-9_]+$", $"{name}");
        JsonNode classify = document["components"]!["schemas"]!["ClassifyRequest"]!["properties"]!;
        Assert.Equal("#/components/schemas/Texts", (string)classify["inputs"]!["$ref"]!);
        Assert.Equal(["null", "integer"], classify["top"]!["type"]!.AsArray().Select(type => (string)type!));
        Assert.Contains("max_tokens", document["components"]!["schemas"]!["HiddenStatesRequest"]!["properties"]!.AsObject().Select(pair => pair.Key));
        Assert.Equal(["inputs"], document["components"]!["schemas"]!["ClassifyRequest"]!["required"]!.AsArray().Select(name => (string)name!));
    }

    [Fact]
    public void It_lints_clean_and_a_client_generated_from_it_works()
    {
        foreach (string package in new[] { "@redocly/cli", "openapi-typescript", "openapi-fetch", "typescript" }) Witness.Require(package);
        string[] texts = ["my parcel is late", "refund my invoice"];
        ToolResult result = Witness.Run("openapi.mjs", [server.Client.BaseAddress!.ToString().TrimEnd('/'), .. texts]).Succeeded();
        Assert.Equal(
            server.LoadedClassifier.Predict(texts, TestContext.Current.CancellationToken).Select(prediction => prediction.Label),
            result.Json["labels"]!.AsArray().Select(label => (string)label!));
        Assert.All(result.Json["sizes"]!.AsArray(), size => Assert.Equal(server.LoadedEncoder.HiddenSize, (int)size!));
        Assert.Equal((2, "empty"), ((int)result.Json["views"]!, (string)result.Json["refused"]!));
    }
}
