using System.Text.Json.Nodes;
using LlmEmbed.Bundles;
using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;
using LlmEmbed.Hub;
using LlmEmbed.Models;
using LlmEmbed.Reading;
using LlmEmbed.Reports;
using LlmEmbed.Tokenization;

namespace LlmEmbed;

/// <summary>
/// What lies at a path: a checkpoint and what reading it costs, a store of embeddings, a cache of several stores, or a trained classifier.
/// </summary>
public sealed class Inspection
{
    private readonly JsonObject _facts;

    private Inspection(JsonObject facts) => _facts = facts;

    /// <summary>What it is, such as "checkpoint" or "classifier".</summary>
    public string Kind => (string)_facts["kind"]!;

    /// <summary>
    /// Explains what lies at a path. Nothing is changed; of a store every byte is read. Of a model of the Hugging Face Hub that is not here, its
    /// configuration, its list of files and the headers of its weights are asked for.
    /// </summary>
    /// <param name="path">A backbone (name, folder, .gguf file or org/name), a folder of embeddings, or a folder with a classifier.</param>
    /// <param name="options">What would be read of a backbone; null takes the defaults.</param>
    /// <param name="runtime">How a backbone would run; null takes the defaults.</param>
    /// <exception cref="LlmEmbedException">Nothing of the kind is there, or it is damaged or not implemented.</exception>
    public static Inspection Of(string path, EncoderOptions? options = null, RuntimeOptions? runtime = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (ClassifierBundle.IsBundle(path)) return new Inspection(DescribeClassifier(path));
        if (EmbeddingStore.IsStore(path)) return new Inspection(DescribeStore(path));
        if (Directory.Exists(path) && Directory.GetDirectories(path).Where(EmbeddingStore.IsStore).ToArray() is { Length: > 0 } stores)
            return new Inspection(new()
            {
                ["kind"] = "cache of embeddings",
                ["stores"] = new JsonArray([.. stores.Order(StringComparer.Ordinal).Select(DescribeStore)]),
            });
        options ??= new EncoderOptions();
        runtime ??= new RuntimeOptions();
        if (HubName.ParseRemote(path) is { } remote && BackboneLocator.TryFindWhole(path, runtime.ModelFolders) is null)
        {
            HubEnvironment environment = HubEnvironment.OfProcess();
            if (!runtime.Offline && environment.WhyOffline is null) return new Inspection(DescribeRemote(remote, environment, options, runtime));
        }
        return new Inspection(DescribeCheckpoint(path, options, runtime));
    }

    /// <summary>
    /// The files that are read where something is named by this path: those in the folder of a backbone or its .gguf file; of a classifier its own,
    /// whether they are there or not, and those of its backbones. None is opened but the classifier's manifest.
    /// </summary>
    /// <param name="path">A backbone (name, folder or .gguf file), or a folder with a classifier.</param>
    /// <param name="runtime">Where backbones are looked for; null takes the usual places.</param>
    /// <returns>Nothing if nothing is found.</returns>
    public static IReadOnlyList<string> FilesOf(string path, RuntimeOptions? runtime = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        runtime ??= new RuntimeOptions();
        return ClassifierBundle.IsBundle(path)
            ? [.. ClassifierBundle.FilesIn(path), .. ClassifierBundle.BackbonesOf(path).SelectMany(name => FilesOfBackbone(name, runtime))]
            : FilesOfBackbone(path, runtime);
    }

    /// <summary>All facts as one JSON object; sizes are in bytes.</summary>
    public string ToJson() => _facts.ToJsonString();

    /// <summary>One line per fact, for people; what belongs together is indented.</summary>
    public override string ToString() => string.Join(Environment.NewLine, Lines(_facts, indent: ""));

    private static string[] FilesOfBackbone(string name, RuntimeOptions runtime)
    {
        try
        {
            if (BackboneLocator.TryFind(name, runtime.ModelFolders)?.Path is not string path) return [];
            // Modules of sentence-transformers lie in folders such as 1_Pooling.
            return Directory.Exists(path)
                ? [.. Directory.GetFiles(path), .. Directory.GetDirectories(path, "?*_*").SelectMany(Directory.GetFiles)]
                : [path];
        }
        catch (Exception exception) when (exception is LlmEmbedException or IOException or UnauthorizedAccessException)
        {
            return []; // whoever opens the backbone says what is wrong with it
        }
    }

    private static JsonObject DescribeCheckpoint(string path, EncoderOptions options, RuntimeOptions runtime)
    {
        LocatedBackbone located = BackboneLocator.Find(path, runtime.ModelFolders);
        using Checkpoint checkpoint = Checkpoint.Open(located.Path);
        JsonObject facts = new() { ["kind"] = "checkpoint", ["path"] = located.Path, ["format"] = checkpoint.Format };
        AddModel(facts, checkpoint, options, runtime);
        facts.Insert(facts.IndexOf("pooler") + 1, "tokenizer", Tokenizer.Load(located.Path).Description);
        facts.Insert(facts.IndexOf("tokenizer") + 1, "weight_bytes", checkpoint.Files.Sum(file => new FileInfo(file).Length));
        facts.Insert(facts.IndexOf("weight_bytes") + 1, "sha256", checkpoint.Sha256());
        return facts;
    }

    /// <summary>A model of the Hub that is not here, from its configuration and its list of files; no weight is downloaded.</summary>
    private static JsonObject DescribeRemote(HubName name, HubEnvironment environment, EncoderOptions options, RuntimeOptions runtime)
    {
        string folder = Directory.CreateTempSubdirectory("llmembed-").FullName;
        try
        {
            HubOutline outline = Task.Run(() => HubSnapshot.OutlineAsync(name, environment, folder, CancellationToken.None)).GetAwaiter().GetResult();
            JsonObject facts = HubFacts.Of(name, outline, environment);
            if (!outline.HasOutline) return facts;
            try
            {
                using Checkpoint checkpoint = Checkpoint.Open(folder);
                facts["parameters"] = checkpoint.Weights.Values.Sum(weight => weight.Shape.Aggregate(1L, (product, size) => product * size));
                AddModel(facts, checkpoint, options, runtime);
            }
            catch (LlmEmbedException exception)
            {
                facts["cannot_be_loaded"] = exception.Message.Replace(folder + Path.DirectorySeparatorChar, $"{name.Id}/", StringComparison.Ordinal);
            }
            return facts;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>What a model is and what reading it would cost.</summary>
    private static void AddModel(JsonObject facts, Checkpoint checkpoint, EncoderOptions options, RuntimeOptions runtime)
    {
        Backbone backbone = Backbone.Create(checkpoint, runtime.AcceptedConfigKeys);
        IReadOnlyList<View> views = options.Views.Resolve(backbone.IsCausal, backbone.BlockCount, () => SentenceView.Of(backbone));
        int deepest = views.Max(view => view.Depth);
        long parameters = backbone.ParameterCount(deepest);
        facts["model_type"] = checkpoint.Config.ModelType;
        facts["direction"] = backbone.IsCausal ? "decoder: a token sees the tokens before it" : "encoder: a token sees all tokens";
        facts["blocks"] = backbone.BlockCount;
        facts["hidden_size"] = backbone.HiddenSize;
        facts["vocabulary"] = backbone.VocabularySize;
        facts["max_tokens"] = backbone.MaxTokens;
        facts["pooler"] = backbone.HasPooler;
        facts["sentence"] = DescribeSentence(backbone);
        IReadOnlyList<string> notes = checkpoint.Config.Notes;
        if (notes.Count > 0) facts["notes"] = new JsonArray([.. notes.Select(note => (JsonNode)note)]);
        facts["int8"] = backbone.HasHugeChannels
            ? "not expected to hold, because some channels are very large; --precision auto compares both precisions before it chooses"
            : "expected to hold; --precision auto compares both precisions before it chooses";
        facts["would_run"] = new JsonObject
        {
            ["views"] = new JsonArray([.. views.Select(view => (JsonNode)Poolings.NameOf(view))]),
            ["blocks_run"] = $"{deepest} of {backbone.BlockCount}",
            ["features_per_text"] = FeaturesOf(backbone, views),
            ["parameters_run"] = parameters,
            ["share_of_all_blocks"] = Math.Round((double)parameters / backbone.ParameterCount(backbone.BlockCount), 4),
            // Each weight takes part in one multiplication and one addition per token; attention over short texts adds little.
            ["flops_per_token"] = 2 * parameters,
            ["fp32"] = Estimate(backbone, deepest, Precision.Fp32, runtime.MemoryBytes),
            ["int8"] = Estimate(backbone, deepest, Precision.Int8, runtime.MemoryBytes),
        };
    }

    private static int FeaturesOf(Backbone backbone, IReadOnlyList<View> views) =>
        ViewRow.Of(views, backbone.HiddenSize, views.Any(view => view.Pooling == Pooling.Sentence) ? SentenceView.Of(backbone) : null).Length;

    /// <summary>How the repository means texts to become vectors, or what of it is not implemented.</summary>
    private static JsonObject DescribeSentence(Backbone backbone)
    {
        SentenceView sentence;
        try
        {
            sentence = SentenceView.Of(backbone);
        }
        catch (LlmEmbedException exception)
        {
            return new JsonObject { ["refused"] = exception.Message };
        }
        IEnumerable<string> modules = sentence.Modules.Select(module => module.Description);
        return new JsonObject
        {
            ["declared"] = sentence.Declared ?? "nowhere: the rule of sentence-transformers for other checkpoints holds",
            ["pooling"] = new JsonArray([.. sentence.Modes.Select(mode => (JsonNode)mode.Name)]),
            ["prompt_is_pooled"] = sentence.IncludesPrompt,
            ["modules"] = new JsonArray([.. modules.Select(module => (JsonNode)module)]),
            ["size"] = sentence.Size,
            ["max_tokens"] = sentence.MaxTokens,
            ["prompts"] = new JsonObject(sentence.Prompts.Select(prompt => KeyValuePair.Create(prompt.Name, (JsonNode?)prompt.Text))),
            ["default_prompt"] = sentence.DefaultPromptName,
            ["prompt_for_classification"] = sentence.ClassificationPromptName,
        };
    }

    /// <summary>
    /// What to expect on this machine, from a matrix product measured now and the share of it that extraction reached with the starter backbones.
    /// </summary>
    private static JsonObject Estimate(Backbone backbone, int depth, Precision precision, long? memoryBytes)
    {
        const int Texts = 1000, TokensOfText = 100;
        double share = precision == Precision.Int8 ? 0.5 : 0.75;
        double? rate = depth == 0 ? null : share * EnginePeak.Measure(precision) / (2.0 * backbone.ParameterCount(depth));
        MemoryPlan plan = MemoryPlan.Of(backbone, depth, precision, memoryBytes);
        return new JsonObject
        {
            ["estimated_memory_bytes"] = plan.Bytes,
            ["loaded_in_parts"] = plan.Runs.Count,
            ["estimated_tokens_per_second"] = (long?)rate,
            [$"estimated_seconds_for_{Texts}_texts_of_{TokensOfText}_tokens"] = Texts * TokensOfText / rate is double seconds
                ? Math.Round(seconds, seconds < 10 ? 1 : 0) : null,
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
            ["head"] = HeadSentences.Of(manifest.Head.Decisions),
            ["temperature"] = Math.Round(manifest.Head.Temperature, 4),
            ["backbones"] = new JsonArray([.. manifest.Backbones.Select(entry => new JsonObject
            {
                ["name"] = entry.Name,
                ["source"] = entry.Source,
                ["model_type"] = entry.ModelType,
                ["views"] = new JsonArray([.. entry.Views.Select(view => (JsonNode)$"{view.Depth}:{view.Pooling}")]),
                ["max_tokens"] = entry.MaxTokens,
                ["lead"] = BackbonePlan.LeadOf(entry.Prompt, entry.SingleTokensBehindLineBreak ?? false) is { Length: > 0 } lead ? lead : null,
                ["weights_sha256"] = entry.WeightsSha256,
                ["accepted_config_keys"] = new JsonArray([.. (entry.AcceptedConfigKeys ?? []).Select(key => (JsonNode)key)]),
            })]),
        };
        if (manifest.Head.Decisions.Attention is { Count: > 0 } attention) facts["attention"] = AttentionSentences.ToJson(attention);
        string report = Path.Combine(folder, "report.json");
        if (File.Exists(report) && JsonNode.Parse(File.ReadAllText(report)) is JsonObject measured)
            facts["measured"] = new JsonObject
            {
                ["texts"] = measured["n"]?.DeepClone(),
                ["accuracy"] = measured["accuracy"]?.DeepClone(),
                ["macro_f1"] = measured["macro_f1"]?.DeepClone(),
            };
        return facts;
    }

    private static IEnumerable<string> Lines(JsonObject facts, string indent)
    {
        int width = facts.Max(fact => fact.Key.Length);
        foreach ((string name, JsonNode? value) in facts)
        {
            string label = $"{indent}{name.Replace('_', ' ').PadRight(width)}  ";
            JsonObject[] sections = value is JsonObject { Count: > 0 } section ? [section]
                : name == AttentionSentences.Words ? []
                : [.. (value as JsonArray)?.OfType<JsonObject>() ?? []];
            yield return sections.Length > 0 ? label.TrimEnd() : label + Show(name, value);
            foreach (JsonObject part in sections)
            {
                foreach (string line in Lines(part, indent + "  ")) yield return line;
                if (value is JsonArray) yield return "";
            }
        }
    }

    private static string Show(string name, JsonNode? value) => value switch
    {
        null or JsonObject { Count: 0 } => "none",
        JsonArray words when name == AttentionSentences.Words => AttentionSentences.Describe(words),
        JsonArray array => array.Count == 0 ? "none" : Joined([.. array.Select(item => $"{item}")]),
        _ when name.EndsWith("bytes", StringComparison.Ordinal) => $"{long.Parse(value.ToJsonString()) / 1e6:N1} MB",
        _ when long.TryParse(value.ToJsonString(), out long whole) => $"{whole:N0}",
        _ => value.ToString(),
    };

    /// <summary>Words with commas between them; sentences one after the other.</summary>
    private static string Joined(string[] items) => string.Join(items.All(item => item.EndsWith('.')) ? " " : ", ", items);
}
