using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using LlmEmbed.Files;

namespace LlmEmbed.Jobs;

/// <summary>The JSON files of a job: its plan and the records of its shards.</summary>
internal static class JobFile
{
    /// <summary>The version of this library, without what names the commit.</summary>
    public static string LibraryVersion { get; } =
        typeof(JobFile).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0";

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file, which is there.</param>
    /// <param name="remedy">What to do if it is damaged, as a sentence.</param>
    /// <param name="check">Looks at the version before the rest is read, since a newer file may hold anything else.</param>
    /// <exception cref="LlmEmbedException">The file cannot be read or is damaged.</exception>
    public static T Read<T>(string path, string remedy, Action<JsonObject>? check = null)
    {
        byte[] bytes = FileProblem.WhenReading(path, File.ReadAllBytes);
        try
        {
            JsonObject json = JsonObject.Create(StrictJson.Parse(bytes)) ?? throw new JsonException("it is null");
            check?.Invoke(json);
            return json.Deserialize(JobPlan.Json.Of<T>())!;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException or NotSupportedException)
        {
            string problem = exception is JsonException json ? StrictJson.Describe(json) : exception.Message;
            throw FileProblem.In(path, $"the file is damaged: {problem} {remedy}", exception);
        }
    }
}
