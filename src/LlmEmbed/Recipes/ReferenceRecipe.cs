using LlmEmbed.Learning;

namespace LlmEmbed.Recipes;

/// <summary>What the released recipe, and its repair, say about backbones and head.</summary>
internal static class ReferenceRecipe
{
    /// <summary>Depths that the release takes of LLaMA2, from the last one down.</summary>
    private const int DecoderDepths = 5;

    /// <summary>The length that the release pads BERT's and RoBERTa's input to. The mask makes that padding harmless, so only the truncation is done here.</summary>
    private const int EncoderMaxTokens = 512;

    /// <summary>Far more than early stopping lets happen.</summary>
    private const int RepairedMaxEpochs = 500;

    /// <exception cref="LlmEmbedException">Something that the recipe leaves open is not given, or it is given what it does not take.</exception>
    public static void Check(TrainingOptions options)
    {
        ReferenceOptions roles = RolesOf(options);
        if (options.Encoder is not { Views: null, Depths: null, Poolings: null })
            throw new LlmEmbedException("The reference recipes prescribe views: depths and poolings cannot be chosen. Leave them out, or use --recipe auto.");
        if (options.Budget is not null || options.Encoder.Prompt is not null)
            throw new LlmEmbedException("The reference recipes know neither prompts nor time budgets. Leave them out, or use --recipe auto.");
        if (roles.Sigma is not (null or (> 0 and < float.PositiveInfinity))) throw new LlmEmbedException($"σ (--sigma) is {roles.Sigma}, expected a number above 0.");
        if (roles.Epochs < 1) throw new LlmEmbedException($"{roles.Epochs} epochs (--epochs) were asked for, expected at least 1.");
        if (roles.Llama == roles.Bert || roles.Llama == roles.Roberta)
            throw new LlmEmbedException($"'{roles.Llama}' cannot be the decoder (--llama) and an encoder (--bert, --roberta) at once. One encoder may take both encoders' roles.");
        if (options.Recipe == Recipe.ReferenceRepaired)
        {
            if (options.Encoder.PadTo is not null) throw new LlmEmbedException("The repaired recipe masks padding, so there is nothing to pad to: leave --pad-to out.");
            return;
        }
        if (roles.Sigma is null || roles.Epochs is null) throw new LlmEmbedException("The released recipe has no default for σ and the number of epochs: give both (--sigma, --epochs).");
        if (roles.Unpadded == options.Encoder.PadTo is not null)
            throw new LlmEmbedException("The released recipe pads every text to a length of its data set (128 for SST-2, 256 for AG News): give either that length (--pad-to) or ask for real tokens only (--unpadded).");
    }

    /// <summary>The backbones in the order that the head expects, each with what is kept of it. One encoder in two roles is run once.</summary>
    public static IReadOnlyList<TextEncoder> LoadEncoders(TrainingOptions options)
    {
        Check(options);
        ReferenceOptions roles = RolesOf(options);
        List<TextEncoder> encoders = [];
        return Disposal.OnFailure(encoders, () =>
        {
            encoders.Add(LoadDecoder(roles, options));
            View[] Views(int last) => roles.Bert == roles.Roberta ? [new(last, Pooling.Pooler), new(last, Pooling.First)] : [new(last, Pooling.Pooler)];
            encoders.Add(LoadEncoder("--bert", roles.Bert, Views, options.Encoder));
            if (roles.Bert != roles.Roberta) encoders.Add(LoadEncoder("--roberta", roles.Roberta, last => [new(last, Pooling.First)], options.Encoder));
            if (encoders.Skip(1).FirstOrDefault(encoder => encoder.Name == encoders[0].Name) is { } namesake)
                throw new LlmEmbedException($"The decoder and an encoder are both named '{namesake.Name}', and the head tells them apart by name. Rename the folder of one.");
            return encoders;
        });
    }

    public static CooccurrenceOptions HeadOptions(TrainingOptions options)
    {
        ReferenceOptions roles = RolesOf(options);
        return options.Recipe == Recipe.Reference
            ? CooccurrenceOptions.Reference(roles.Sigma!.Value, roles.Epochs!.Value)
            : CooccurrenceOptions.Reference(roles.Sigma ?? new CooccurrenceOptions().Sigma, roles.Epochs ?? RepairedMaxEpochs) with
            {
                Loss = CooccurrenceLoss.CrossEntropy,
                GramVectors = GramVectors.UnitLength,
                Standardize = true,
                Patience = 6,
            };
    }

    private static ReferenceOptions RolesOf(TrainingOptions options) =>
        options.Reference ?? throw new LlmEmbedException("The reference recipes need a model for each of their three roles (--llama, --bert, --roberta).");

    private static TextEncoder LoadDecoder(ReferenceOptions roles, TrainingOptions options)
    {
        Pooling pooling = options.Recipe == Recipe.Reference && !roles.Unpadded ? Pooling.MeanWithPads : Pooling.Mean;
        return Load("--llama", roles.Llama, options.Encoder, isDecoder: true, (blocks, _) => options.Encoder with
        {
            // A smaller model than LLaMA2 may have fewer depths than five; it gives what it has.
            Views = [.. Enumerable.Range(0, Math.Min(DecoderDepths, blocks + 1)).Select(i => new View(blocks - i, pooling))],
        });
    }

    private static TextEncoder LoadEncoder(string role, string backbone, Func<int, IReadOnlyList<View>> views, EncoderOptions options) =>
        Load(role, backbone, options with { PadTo = null }, isDecoder: false, (blocks, positions) => options with
        {
            Views = views(blocks),
            MaxTokens = Math.Min(options.MaxTokens ?? EncoderMaxTokens, positions),
            PadTo = null,
        });

    /// <summary>Opens a backbone to learn its depth, and again with the views that follow from it.</summary>
    private static TextEncoder Load(string role, string backbone, EncoderOptions options, bool isDecoder, Func<int, int, EncoderOptions> complete)
    {
        try
        {
            EncoderOptions completed;
            using (TextEncoder probe = TextEncoder.Load(backbone, options with { MaxTokens = null, PadTo = null, CacheFolder = null, Precision = Precision.Fp32 }))
            {
                if (probe.Backbone.IsDecoder != isDecoder)
                    throw new LlmEmbedException($"{probe.Name} ({probe.Checkpoint.Config.ModelType}) is {(isDecoder ? "an encoder; this role takes a decoder" : "a decoder; this role takes an encoder")}.");
                completed = complete(probe.BlockCount, probe.Backbone.MaxTokens);
            }
            return TextEncoder.Load(backbone, completed);
        }
        catch (LlmEmbedException exception)
        {
            throw new LlmEmbedException($"{role}: {exception.Message}", exception) { FilePath = exception.FilePath };
        }
    }
}
