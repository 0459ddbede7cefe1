using System.Text.Json.Nodes;
using LlmEmbed.Files;

namespace LlmEmbed.Tests.Models;

/// <summary>Golden hidden states of a fixture folder, as Hugging Face transformers computed them in float32.</summary>
internal sealed class Golden : IDisposable
{
    private readonly SafetensorsFile _file;

    public Golden(string jsonPath, string safetensorsPath)
    {
        _file = SafetensorsFile.Open(safetensorsPath);
        JsonNode json = JsonNode.Parse(File.ReadAllText(jsonPath))!;
        Texts = json["texts"]!.AsArray().Select(text => text!.GetValue<string>()).ToArray();
        Ids = ReadIds(json);
        MaxTokens = json["max_length"]?.GetValue<int>() ?? Ids.Max(ids => ids.Length);
    }

    public string[] Texts { get; }

    public int[][] Ids { get; }

    public int MaxTokens { get; }

    public static Golden OfFixture(string folder) => new(Repository.Fixture(folder, "golden.json"), Repository.Fixture(folder, "golden.safetensors"));

    /// <summary>The token ids of the released recipe's texts for a fixture folder.</summary>
    public static int[][] ReleasedRecipeIds(string folder) =>
        ReadIds(JsonNode.Parse(File.ReadAllText(Repository.Fixture("released-recipe", "golden.json")))![folder]!);

    public float[] Tensor(string name) => _file.ReadFloat32(name);

    /// <summary>mean.D, last.D, pooler_output [B,H]; "first.D" and "max.D" are computed from the padded states hidden.D [B,T,H].</summary>
    public float[] Pooled(string pooling, int depth)
    {
        if (pooling is not ("first" or "max" or "mean-skip-first" or "weighted-mean"))
            return _file.ReadFloat32(pooling == "pooler" ? "pooler_output" : $"{pooling}.{depth}");
        IReadOnlyList<long> shape = _file.Tensors[$"hidden.{depth}"].Shape;
        int length = (int)shape[1], size = (int)shape[2];
        float[] hidden = _file.ReadFloat32($"hidden.{depth}");
        float[] pooled = new float[Ids.Length * size];
        for (int b = 0; b < Ids.Length; b++)
        {
            for (int h = 0; h < size; h++)
            {
                float[] channel = Enumerable.Range(0, Ids[b].Length).Select(t => hidden[(b * length + t) * size + h]).ToArray();
                pooled[b * size + h] = pooling switch
                {
                    "first" => channel[0],
                    "max" => channel.Max(),
                    "weighted-mean" => channel.Select((value, t) => (t + 1) * value).Sum() / Enumerable.Range(1, channel.Length).Sum(),
                    _ => channel.Length == 1 ? channel[0] : channel.Skip(1).Average(),
                };
            }
        }
        return pooled;
    }

    private static int[][] ReadIds(JsonNode json) =>
        json["input_ids"]!.AsArray().Select(row => row!.AsArray().Select(id => id!.GetValue<int>()).ToArray()).ToArray();

    public void Dispose() => _file.Dispose();
}
