using System.Text.Json.Nodes;

namespace LlmEmbed.Tests;

/// <summary>A folder that is removed with everything in it when the test is over.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("llmembed-").FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public string Write(string name, ReadOnlySpan<byte> bytes)
    {
        System.IO.File.WriteAllBytes(File(name), bytes);
        return File(name);
    }

    public string Write(string name, string text)
    {
        System.IO.File.WriteAllText(File(name), text);
        return File(name);
    }

    /// <summary>Copies a fixture's folder, so that the copy can be changed.</summary>
    public string CopyFixture(string fixture, string? name = null)
    {
        string target = Directory.CreateDirectory(File(name ?? fixture)).FullName;
        foreach (string file in Directory.EnumerateFiles(Repository.Fixture(fixture)))
            System.IO.File.Copy(file, System.IO.Path.Combine(target, System.IO.Path.GetFileName(file)), overwrite: true);
        return target;
    }

    /// <summary>A copy of a fixture's folder that reads longer texts: prompts are longer than the fixtures' 64 positions.</summary>
    public string WithPositions(string fixture, int positions)
    {
        string target = CopyFixture(fixture);
        EditJson(System.IO.Path.Combine(target, "config.json"), config => config["max_position_embeddings"] = positions);
        return target;
    }

    /// <summary>Changes an object in a JSON file.</summary>
    public static void EditJson(string path, Action<JsonObject> edit)
    {
        JsonObject json = JsonNode.Parse(System.IO.File.ReadAllText(path))!.AsObject();
        edit(json);
        System.IO.File.WriteAllText(path, json.ToJsonString());
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
