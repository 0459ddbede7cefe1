using System.ComponentModel.DataAnnotations;
using LlmEmbed.Server.Json;
using LlmEmbed.Server.Problems;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.OpenApi;

namespace LlmEmbed.Server.Routes;

/// <summary>The description of all routes for programs that generate clients, made of the table of routes and the types of their bodies.</summary>
internal static class OpenApiRoute
{
    private const string Key = "apiKey";

    private static readonly (string Name, string Description)[] Families =
    [
        ("LlmEmbed", "Routes of this server's own, which say most of a text."),
        ("TEI", "Routes of Hugging Face's Text Embeddings Inference, for its clients."),
        ("OpenAI", "Routes of OpenAI, for its clients."),
        ("Hugging Face", "The shapes of Hugging Face's pipelines, for its inference clients."),
        ("Health", "Whether the server works."),
    ];

    /// <summary>Types that are read and written by converters of their own.</summary>
    private static readonly Dictionary<Type, Func<OpenApiSchema>> Unions = new()
    {
        [typeof(Texts)] = () => Either(Text(), ListOf(Text())),
        [typeof(PredictInputs)] = () => Either(Text(), ListOf(Text()), ListOf(ListOf(Text()))),
        [typeof(Depths)] = () => Either(Text(), Whole(), ListOf(Either(Text(), Whole()))),
        [typeof(Names)] = () => Either(Text(), ListOf(Text())),
        [typeof(Vector)] = () => Either(ListOf(Number()), Text()),
        [typeof(PredictAnswer)] = () => Either(ListOf(Scores()), ListOf(ListOf(Scores()))),
    };

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/openapi/v1.json", async Task (HttpContext context) =>
    {
        byte[] document = await context.RequestServices.GetRequiredService<OpenApiFile>().Json;
        context.Response.ContentType = "application/json; charset=utf-8";
        await context.Response.Body.WriteAsync(document, context.RequestAborted);
    }).WithMetadata(new OpenToAll());

    public static void Describe(OpenApiOptions options)
    {
        options.ShouldInclude = description => description.ActionDescriptor.EndpointMetadata.OfType<Route>().Any();
        options.AddSchemaTransformer(DescribeSchemaAsync);
        options.AddOperationTransformer(DescribeOperationAsync);
        options.AddDocumentTransformer(DescribeDocumentAsync);
    }

    private static Task DescribeSchemaAsync(OpenApiSchema schema, OpenApiSchemaTransformerContext context, CancellationToken cancellation)
    {
        Type type = Nullable.GetUnderlyingType(context.JsonTypeInfo.Type) ?? context.JsonTypeInfo.Type;
        if (Unions.TryGetValue(type, out Func<OpenApiSchema>? union)) schema.AnyOf = union().AnyOf;
        // ASP.NET's options for JSON take numbers in quotes; these bodies are not read by them.
        if (schema.Type is { } kind && (kind.HasFlag(JsonSchemaType.Integer) || kind.HasFlag(JsonSchemaType.Number)))
            (schema.Type, schema.Pattern) = (kind & ~JsonSchemaType.String, null);
        foreach (var property in context.JsonTypeInfo.Properties)
        {
            if (property.AttributeProvider?.IsDefined(typeof(RequiredAttribute), inherit: false) != true) continue;
            (schema.Required ??= new HashSet<string>(StringComparer.Ordinal)).Add(property.Name);
        }
        return Task.CompletedTask;
    }

    private static async Task DescribeOperationAsync(
        OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellation)
    {
        Route route = context.Description.ActionDescriptor.EndpointMetadata.OfType<Route>().Single();
        operation.OperationId = route.Name;
        operation.Summary = route.Summary;
        operation.Description = route.Description.Length > 0 ? route.Description : null;
        operation.Tags = new HashSet<OpenApiTagReference> { new(route.Family, context.Document) };
        if (operation.RequestBody is OpenApiRequestBody body)
        {
            body.Required = true;
            body.Content?.Remove("*/*");
        }
        IEnumerable<string> names = context.Description.RelativePath!.Split('{', '}').Where((_, place) => place % 2 == 1);
        foreach (string name in names.Select(name => name.TrimStart('*')))
            (operation.Parameters ??= []).Add(new OpenApiParameter
            {
                Name = name,
                In = ParameterLocation.Path,
                Required = true,
                Description = name == "id" ? "The name of a model." : "The name of a model, and what may stand behind it.",
                Schema = Text(),
            });
        await DescribeAnswersAsync(operation, route, context, cancellation);
    }

    private static async Task DescribeAnswersAsync(
        OpenApiOperation operation, Route route, OpenApiOperationTransformerContext context, CancellationToken cancellation)
    {
        Type error = route.Errors == ErrorShape.OpenAi ? typeof(OpenAiErrorAnswer) : typeof(TeiErrorAnswer);
        OpenApiSchema schema = await context.GetOrCreateSchemaAsync(error, parameterDescription: null, cancellation);
        context.Document!.AddComponent(error.Name, schema);
        operation.Responses ??= [];
        if (operation.Responses.TryGetValue("200", out IOpenApiResponse? answer)) answer.Description = "The answer.";
        foreach (int status in route.Problems)
            operation.Responses[$"{status}"] = new OpenApiResponse
            {
                Description = $"{ReasonPhrases.GetReasonPhrase(status)}.",
                Content = new Dictionary<string, OpenApiMediaType>(StringComparer.Ordinal)
                {
                    ["application/json"] = new() { Schema = new OpenApiSchemaReference(error.Name, context.Document) },
                },
            };
    }

    private static Task DescribeDocumentAsync(OpenApiDocument document, OpenApiDocumentTransformerContext context, CancellationToken cancellation)
    {
        document.Info = new OpenApiInfo
        {
            Title = "LlmEmbed",
            Version = "v1",
            Description = "Text classifiers and encoders, in the shapes that clients of TEI, OpenAI and Hugging Face expect.",
            License = new OpenApiLicense { Name = "Apache-2.0", Url = new Uri("https://www.apache.org/licenses/LICENSE-2.0") },
        };
        document.Servers = [new OpenApiServer { Url = "/", Description = "This server." }];
        document.Tags = new HashSet<OpenApiTag>(Families.Select(family => new OpenApiTag { Name = family.Name, Description = family.Description }));
        document.Components ??= new OpenApiComponents();
        document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>(StringComparer.Ordinal)
        {
            [Key] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http,
                Scheme = "bearer",
                Description = "One of the server's keys. A server that has none lets everybody in.",
            },
        };
        foreach (OpenApiSchema schema in document.Components.Schemas!.Values.OfType<OpenApiSchema>()) RefuseNulls(schema);
        string[] either = [nameof(PredictRequest), nameof(EmbedRequest)];
        document.Components.Schemas[nameof(AnyRequest)] = new OpenApiSchema
        {
            Description = "What the kind of the model takes.",
            AnyOf = [.. either.Select(name => new OpenApiSchemaReference(name, document))],
        };
        document.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(Key, document)] = [] }, []];
        return Task.CompletedTask;
    }

    /// <summary>A field that must be there must not be null either.</summary>
    private static void RefuseNulls(OpenApiSchema schema)
    {
        foreach (string name in schema.Required ?? new HashSet<string>(StringComparer.Ordinal))
            if (schema.Properties?[name] is OpenApiSchema { OneOf: [_, { } only] }) schema.Properties[name] = only;
    }

    private static OpenApiSchema Text() => new() { Type = JsonSchemaType.String };

    private static OpenApiSchema Whole() => new() { Type = JsonSchemaType.Integer, Format = "int32" };

    private static OpenApiSchema Number() => new() { Type = JsonSchemaType.Number, Format = "float" };

    private static OpenApiSchema Scores() => new()
    {
        Type = JsonSchemaType.Object,
        Required = new HashSet<string>(StringComparer.Ordinal) { "score", "label" },
        Properties = new Dictionary<string, IOpenApiSchema>(StringComparer.Ordinal) { ["score"] = Number(), ["label"] = Text() },
    };

    private static OpenApiSchema ListOf(OpenApiSchema items) => new() { Type = JsonSchemaType.Array, Items = items };

    private static OpenApiSchema Either(params OpenApiSchema[] schemas) => new() { AnyOf = [.. schemas] };
}

/// <summary>The OpenAPI document as it is sent. It is made when it is first asked for.</summary>
internal sealed class OpenApiFile(IServiceProvider services)
{
    /// <summary>Not "v1", which an application around this server may have for its own routes.</summary>
    public const string DocumentName = "llmembed";

    private readonly Lazy<Task<byte[]>> _json = new(() => WriteAsync(services));

    public Task<byte[]> Json => _json.Value;

    private static async Task<byte[]> WriteAsync(IServiceProvider services)
    {
        OpenApiDocument document = await services.GetRequiredKeyedService<IOpenApiDocumentProvider>(DocumentName).GetOpenApiDocumentAsync();
        using MemoryStream stream = new();
        await document.SerializeAsJsonAsync(stream, OpenApiSpecVersion.OpenApi3_1);
        return stream.ToArray();
    }
}
