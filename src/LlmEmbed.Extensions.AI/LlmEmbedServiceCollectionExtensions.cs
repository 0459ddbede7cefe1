using LlmEmbed;
using LlmEmbed.Reading;
using Microsoft.Extensions.AI;
using ClassifierRegistration = LlmEmbed.Registration<LlmEmbed.TextClassifier, LlmEmbed.ITextClassifier, LlmEmbed.LlmEmbedClassifierOptions>;
using GeneratorRegistration = LlmEmbed.Registration<
    LlmEmbed.LlmEmbedEmbeddingGenerator,
    Microsoft.Extensions.AI.IEmbeddingGenerator<string, Microsoft.Extensions.AI.Embedding<float>>,
    LlmEmbed.LlmEmbedEmbeddingGeneratorOptions>;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>
/// Classifiers and embedding generators of LlmEmbed in a container. All of them share the container's one <see cref="OpenBackbones"/>, so that a
/// backbone is in memory once; a <see cref="RuntimeOptions"/> in the container says how it runs. Each is a singleton and thread-safe, its options are
/// validated when a host starts, and the container frees it.
/// </summary>
public static class LlmEmbedServiceCollectionExtensions
{
    /// <summary>
    /// Registers an embedding generator as <c>IEmbeddingGenerator&lt;string, Embedding&lt;float&gt;&gt;</c> and as
    /// <see cref="LlmEmbedEmbeddingGenerator"/>, which a pipeline of Microsoft.Extensions.AI may take as its innermost part.
    /// </summary>
    /// <param name="services">The container.</param>
    /// <param name="backbone">As <see cref="LlmEmbedEmbeddingGeneratorOptions.Backbone"/>.</param>
    /// <param name="configure">Changes the options; null takes the defaults.</param>
    public static IServiceCollection AddLlmEmbedEmbeddingGenerator(
        this IServiceCollection services, string backbone, Action<LlmEmbedEmbeddingGeneratorOptions>? configure = null) =>
        AddGenerator(services, key: null, backbone, configure);

    /// <summary>Registers an embedding generator under a key.</summary>
    /// <param name="services">The container.</param>
    /// <param name="serviceKey">The key, which also is the name of the options.</param>
    /// <param name="backbone">As <see cref="LlmEmbedEmbeddingGeneratorOptions.Backbone"/>.</param>
    /// <param name="configure">Changes the options; null takes the defaults.</param>
    public static IServiceCollection AddKeyedLlmEmbedEmbeddingGenerator(
        this IServiceCollection services, string serviceKey, string backbone, Action<LlmEmbedEmbeddingGeneratorOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(serviceKey);
        return AddGenerator(services, serviceKey, backbone, configure);
    }

    /// <summary>Registers a trained classifier as <see cref="TextClassifier"/> and as <see cref="ITextClassifier"/>.</summary>
    /// <param name="services">The container.</param>
    /// <param name="folder">As <see cref="LlmEmbedClassifierOptions.Folder"/>.</param>
    /// <param name="configure">Changes the options; null takes the defaults.</param>
    public static IServiceCollection AddLlmEmbedClassifier(
        this IServiceCollection services, string folder, Action<LlmEmbedClassifierOptions>? configure = null) =>
        AddClassifier(services, key: null, folder, configure);

    /// <summary>Registers a trained classifier under a key.</summary>
    /// <param name="services">The container.</param>
    /// <param name="serviceKey">The key, which also is the name of the options.</param>
    /// <param name="folder">As <see cref="LlmEmbedClassifierOptions.Folder"/>.</param>
    /// <param name="configure">Changes the options; null takes the defaults.</param>
    public static IServiceCollection AddKeyedLlmEmbedClassifier(
        this IServiceCollection services, string serviceKey, string folder, Action<LlmEmbedClassifierOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(serviceKey);
        return AddClassifier(services, serviceKey, folder, configure);
    }

    private static IServiceCollection AddGenerator(
        IServiceCollection services, string? key, string backbone, Action<LlmEmbedEmbeddingGeneratorOptions>? configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(backbone);
        GeneratorRegistration registration = new(key)
        {
            Check = (options, backbones) => TextEncoder.RequireFindable(options.Backbone, backbones.Runtime),
            Load = Load,
            WarmUp = (generator, progress, cancellationToken) => generator.GetRequiredService<TextEncoder>().WarmUp(progress, cancellationToken),
            LoadsAtStart = options => options.LoadAtStart,
        };
        return registration.AddTo(services, options =>
        {
            options.Backbone = backbone;
            configure?.Invoke(options);
        });
    }

    private static LlmEmbedEmbeddingGenerator Load(
        LlmEmbedEmbeddingGeneratorOptions options, OpenBackbones backbones, IProgress<WorkProgress> progress)
    {
        TextEncoder encoder = TextEncoder.Load(options.Backbone, options.Encoder, backbones, progress);
        try
        {
            return new LlmEmbedEmbeddingGenerator(encoder, options, ownsEncoder: true);
        }
        catch
        {
            encoder.Dispose();
            throw;
        }
    }

    private static IServiceCollection AddClassifier(
        IServiceCollection services, string? key, string folder, Action<LlmEmbedClassifierOptions>? configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(folder);
        ClassifierRegistration registration = new(key)
        {
            Check = (options, _) => TextClassifier.RequireIn(options.Folder),
            Load = (options, backbones, progress) => TextClassifier.Load(options.Folder, backbones, progress),
            WarmUp = (classifier, progress, cancellationToken) => classifier.WarmUp(progress, cancellationToken),
            LoadsAtStart = options => options.LoadAtStart,
        };
        return registration.AddTo(services, options =>
        {
            options.Folder = folder;
            configure?.Invoke(options);
        });
    }
}
