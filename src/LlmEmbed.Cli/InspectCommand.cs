using System.CommandLine;
using System.Text.Json.Nodes;
using LlmEmbed.Bundles;
using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;
using LlmEmbed.Models;
using LlmEmbed.Reading;
using LlmEmbed.Tokenization;

namespace LlmEmbed.Cli;

/// <summary>llmembed inspect: explains a checkpoint, an embedding store or a trained classifier.</summary>
internal static class InspectCommand
{
    public static Command Create()
    {
        Argument<string> path = new("PATH") { Description = "A backbone (name, folder or .gguf file), a folder of embeddings, or a folder that 'llmembed train' wrote." };
        Option<string?> depths = CommonOptions.Depths();
        Option<IReadOnlyList<Pooling>?> poolings = CommonOptions.Poolings();
        Option<string[]> models = CommonOptions.ModelFolders();
        Option<bool> json = CommonOptions.Json();
        Option<long?> memory = CommonOptions.Memory();
        Command command = new("inspect", "Explain a checkpoint and what it costs, an embedding store, or a trained classifier.") { path, depths, poolings, models, memory, json };
        command.SetAction((parsed, _) =>
        {
            EncoderOptions options = new()
            {
                Depths = parsed.GetValue(depths),
                Poolings = parsed.GetValue(poolings),
                ModelFolders = parsed.GetValue(models) ?? [],
                MemoryBytes = parsed.GetValue(memory),
            };
            JsonObject facts = Describe(parsed.GetRequiredValue(path), options);
            if (parsed.GetValue(json)) Console.WriteLine(facts.ToJsonString());
            else Print(facts, indent: "");
            return Task.FromResult(ExitCode.Success);
        });
        return command;
    }

    private static JsonObject Describe(string path, EncoderOptions options)
    {
        if (ClassifierBundle.IsBundle(path)) return DescribeClassifier(path);
        if (EmbeddingStore.IsStore(path)) return DescribeStore(path);
        if (Directory.Exists(path) && Directory.GetDirectories(path).Where(EmbeddingStore.IsStore).ToArray() is { Length: > 0 } stores)
            return new JsonObject { ["kind"] = "cache of embeddings", ["stores"] = new JsonArray([.. stores.Order(StringComparer.Ordinal).Select(DescribeStore)]) };
        return DescribeCheckpoint(path, options);
    }

    private static JsonObject DescribeCheckpoint(string path, EncoderOptions options)
    {
        LocatedBackbone located = BackboneLocator.Find(path, options.ModelFolders);
        using Checkpoint checkpoint = Checkpoint.Open(located.Path);
        Backbone backbone = Backbone.Create(checkpoint);
        IReadOnlyList<View> views = ViewSelection.Resolve(options, backbone);
        int deepest = views.Max(view => view.Depth);
        long parameters = backbone.ParameterCount(deepest);
        return new JsonObject
        {
            ["kind"] = "checkpoint",
            ["path"] = located.Path,
            ["format"] = checkpoint.Format,
            ["model_type"] = checkpoint.Config.ModelType,
            ["direction"] = backbone.IsDecoder ? "decoder: a token sees the tokens before it" : "encoder: a token sees all tokens",
            ["blocks"] = backbone.BlockCount,
            ["hidden_size"] = backbone.HiddenSize,
            ["vocabulary"] = backbone.VocabularySize,
            ["max_tokens"] = backbone.MaxTokens,
            ["pooler"] = backbone.HasPooler,
            ["tokenizer"] = Tokenizer.Load(located.Path).Description,
            ["weight_bytes"] = checkpoint.Files.Sum(file => new FileInfo(file).Length),
            ["sha256"] = checkpoint.Sha256(),
            ["would_run"] = new JsonObject
            {
                ["views"] = new JsonArray([.. views.Select(view => (JsonNode)PoolingNames.NameOf(view))]),
                ["blocks_run"] = $"{deepest} of {backbone.BlockCount}",
                ["features_per_text"] = views.Count * backbone.HiddenSize,
                ["parameters_run"] = parameters,
                ["share_of_all_blocks"] = Math.Round((double)parameters / backbone.ParameterCount(backbone.BlockCount), 4),
                // Each weight takes part in one multiplication and one addition per token; attention over short texts adds little.
                ["flops_per_token"] = 2 * parameters,
                ["fp32"] = Estimate(backbone, deepest, Precision.Fp32, options.MemoryBytes),
                ["int8"] = Estimate(backbone, deepest, Precision.Int8, options.MemoryBytes),
            },
        };
    }

    /// <summary>What to expect on this machine, from a matrix product measured now and the share of it that extraction reached with the starter backbones.</summary>
    private static JsonObject Estimate(Backbone backbone, int depth, Precision precision, long? memoryBytes)
    {
        double share = precision == Precision.Int8 ? 0.5 : 0.75;
        MemoryPlan plan = MemoryPlan.Of(backbone, depth, precision, memoryBytes);
        return new JsonObject
        {
            ["estimated_memory_bytes"] = plan.Bytes,
            ["loaded_in_parts"] = plan.Runs.Count,
            ["estimated_tokens_per_second"] = depth == 0 ? null : (long)(share * EnginePeak.Measure(precision) / (2.0 * backbone.ParameterCount(depth))),
        };
    }

    private static JsonObject DescribeStore(string folder)
    {
        StoreInfo info = EmbeddingStore.Inspect(folder);
        return new JsonObject
        {
            ["kind"] = "store of embeddings",
            ["path"] = folder,
            ["texts"] = info.Texts,
            ["shards"] = info.Shards,
            ["bytes"] = info.FileBytes,
            ["damaged"] = new JsonArray([.. info.Damaged.Select(file => (JsonNode)file)]),
            ["encoder"] = JsonNode.Parse(info.Fingerprint),
        };
    }

    private static JsonObject DescribeClassifier(string folder)
    {
        ClassifierBundle.Manifest manifest = ClassifierBundle.ReadManifest(folder);
        JsonObject facts = new()
        {
            ["kind"] = "classifier",
            ["path"] = folder,
            ["format_version"] = manifest.FormatVersion,
            ["labels"] = new JsonArray([.. manifest.Labels.Select(label => (JsonNode)label)]),
            ["examples"] = manifest.Examples,
            ["head"] = manifest.Head.Choice,
            ["temperature"] = Math.Round(manifest.Head.Temperature, 4),
            ["backbones"] = new JsonArray([.. manifest.Backbones.Select(entry => new JsonObject
            {
                ["name"] = entry.Name,
                ["source"] = entry.Source,
                ["model_type"] = entry.ModelType,
                ["views"] = new JsonArray([.. entry.Views.Select(view => (JsonNode)$"{view.Depth}:{view.Pooling}")]),
                ["max_tokens"] = entry.MaxTokens,
                ["weights_sha256"] = entry.WeightsSha256,
            })]),
        };
        string report = Path.Combine(folder, "report.json");
        if (File.Exists(report) && JsonNode.Parse(File.ReadAllText(report)) is JsonObject measured)
            facts["measured"] = new JsonObject { ["texts"] = measured["n"]?.DeepClone(), ["accuracy"] = measured["accuracy"]?.DeepClone(), ["macro_f1"] = measured["macro_f1"]?.DeepClone() };
        return facts;
    }

    /// <summary>One line per fact; what belongs together is indented.</summary>
    private static void Print(JsonObject facts, string indent)
    {
        int width = facts.Max(fact => fact.Key.Length);
        foreach ((string name, JsonNode? value) in facts)
        {
            string label = $"{indent}{name.Replace('_', ' ').PadRight(width)}  ";
            if (value is JsonObject section)
            {
                Console.WriteLine(label.TrimEnd());
                Print(section, indent + "  ");
            }
            else if (value is JsonArray array && array.Any(item => item is JsonObject))
            {
                Console.WriteLine(label.TrimEnd());
                foreach (JsonObject item in array.OfType<JsonObject>())
                {
                    Print(item, indent + "  ");
                    Console.WriteLine();
                }
            }
            else
            {
                Console.WriteLine(label + Show(name, value));
            }
        }
    }

    private static string Show(string name, JsonNode? value) => value switch
    {
        null => "none",
        JsonArray array => array.Count == 0 ? "none" : string.Join(", ", array.Select(item => item?.ToString())),
        _ when name.EndsWith("bytes", StringComparison.Ordinal) => $"{long.Parse(value.ToJsonString()) / 1e6:N1} MB",
        _ when long.TryParse(value.ToJsonString(), out long whole) => $"{whole:N0}",
        _ => value.ToString(),
    };
}
