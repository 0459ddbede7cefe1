using System.Text.Json.Serialization;
using LlmEmbed.Checkpoints;
using LlmEmbed.Hub;
using LlmEmbed.Reading;

namespace LlmEmbed.Bundles;

/// <summary>A backbone and what is read of it, as a file names it: enough to find the very same again, on another machine too.</summary>
internal sealed record BackboneEntry(
    string Name,
    string Source,
    string ModelType,
    string WeightsSha256,
    string TokenizerSha256,
    IReadOnlyList<ViewEntry> Views,
    int MaxTokens,
    int? PadTo,
    string Precision,
    string? Prompt = null,
    bool? SingleTokensBehindLineBreak = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? AcceptedConfigKeys = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? SentenceSha256 = null)
{
    public static BackboneEntry Of(BackboneReader reader)
    {
        (OpenBackbone backbone, BackbonePlan plan) = (reader.Backbone, reader.Plan);
        return new BackboneEntry(
            backbone.Name,
            backbone.Source,
            backbone.Checkpoint.Config.ModelType,
            backbone.WeightsSha256,
            backbone.TokenizerSha256,
            [.. plan.Views.Select(view => new ViewEntry(view.Depth, Poolings.NameOf(view.Pooling)))],
            plan.MaxTokens,
            plan.PadTo,
            PrecisionNames.NameOf(plan.Precision),
            plan.Prompt,
            plan.SingleTokensBehindLineBreak,
            backbone.Checkpoint.Config.AcceptedKeys is { Count: > 0 } accepted ? accepted : null,
            plan.ReadsSentence ? backbone.Sentence.Sha256 : null);
    }

    /// <summary>What is read of the backbone.</summary>
    /// <param name="backbone">The backbone.</param>
    /// <param name="queries">What its views with attention pooling weigh tokens by.</param>
    public BackbonePlan PlanOf(OpenBackbone backbone, params IReadOnlyList<AttentionQuery> queries)
    {
        View[] views = [.. Views.Select(view => new View(view.Depth, Poolings.Parse(view.Pooling)))];
        BackbonePlan plan = new(views, MaxTokens, PrecisionNames.Find(Precision)!.Value)
        {
            AttentionQueries = queries,
            PadTo = PadTo,
            Prompt = Prompt,
        };
        // Files of before this had a name follow the rule that was in force: the one by which training still decides.
        return plan with { SingleTokensBehindLineBreak = SingleTokensBehindLineBreak ?? plan.GainsByLineBreak(backbone) };
    }

    /// <summary>Looks where the backbone was found, then by its name, and takes only the very same weights and tokenizer.</summary>
    /// <param name="folder">The folder that needs it, for messages.</param>
    /// <param name="backbones">Holds the backbone.</param>
    /// <param name="work">Told about a download.</param>
    /// <exception cref="LlmEmbedException">It is not there, or what is there differs.</exception>
    public OpenBackbone Open(string folder, OpenBackbones backbones, Work work)
    {
        List<string> problems = [];
        bool isPinned = HubName.ParseRemote(Source) is { IsCommit: true };
        IEnumerable<(string Place, bool MayDownload)> places =
            new[] { Source, Name }.Distinct(StringComparer.Ordinal).Select(place => (place, false));
        // Nothing is downloaded before all places here have been tried.
        foreach ((string place, bool mayDownload) in isPinned ? places.Append((Source, true)) : places)
        {
            try
            {
                LocatedBackbone? located = mayDownload
                    ? BackboneLocator.FindOrDownload(place, backbones.Runtime, work.Progress, work.CancellationToken)
                    : BackboneLocator.TryFind(place, backbones.Runtime.ModelFolders);
                if (located is null) continue;
                OpenBackbone backbone = backbones.Open(place, located, work, AcceptedConfigKeys);
                string? part = backbone.WeightsSha256 != WeightsSha256 ? "weights or config.json"
                    : backbone.TokenizerSha256 != TokenizerSha256 ? "tokenizer"
                    : SentenceSha256 is string modules && backbone.Sentence.Sha256 != modules ? "modules of sentence-transformers"
                    : null;
                if (part is null) return backbone;
                problems.Add($"{located.Path} differs in its {part} from the one it was trained with");
            }
            catch (LlmEmbedException exception)
            {
                // What lies at that place now need not be a model at all; the right one may lie at the next.
                problems.Add(exception.Message.TrimEnd('.'));
            }
        }
        string problem = problems.Count > 0 ? string.Join("; ", problems.Distinct(StringComparer.Ordinal)) : "it was not found";
        throw new LlmEmbedException(
            $"{folder} needs the backbone '{Name}' ({ModelType}, SHA-256 {WeightsSha256[..12]}…, trained from {Source}): {problem}. " +
            (Starter.Find(Name) is { } starter ? $"{starter.Advice} Or put" : "Put") +
            $" that backbone in a folder named {Name} and give the folder above it with --models or {BackboneLocator.ModelsVariable}.")
        { FilePath = folder };
    }
}

/// <summary>A view as files name it.</summary>
internal sealed record ViewEntry(int Depth, string Pooling);
