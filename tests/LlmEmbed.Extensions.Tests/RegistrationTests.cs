using LlmEmbed.Reading;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Xunit;

namespace LlmEmbed.Tests;

public sealed class RegistrationTests
{
    [Fact]
    public async Task Classifiers_and_generators_of_a_container_share_one_backbone()
    {
        using IHost host = Host(services => services
            .AddLlmEmbedClassifier(Models.Classifier)
            .AddKeyedLlmEmbedClassifier("others", Models.OtherClassifier)
            .AddLlmEmbedEmbeddingGenerator(Models.Backbone)
            .AddKeyedLlmEmbedEmbeddingGenerator("middle", Models.Backbone, options => options.View = new View(2, Pooling.Mean)));
        OpenBackbones backbones = host.Services.GetRequiredService<OpenBackbones>();
        Assert.Empty(backbones.Names);
        await host.StartAsync(Models.Cancellation);
        Assert.Equal([Models.Backbone], backbones.Names); // loaded when the host started, and once

        TextClassifier classifier = host.Services.GetRequiredService<TextClassifier>();
        Assert.Same(classifier, host.Services.GetRequiredService<ITextClassifier>());
        Assert.Equal("delivery", classifier.Predict("my parcel is late").Label);
        ITextClassifier others = host.Services.GetRequiredKeyedService<ITextClassifier>("others");
        Assert.Same(others, host.Services.GetRequiredKeyedService<TextClassifier>("others"));
        Assert.Equal("parcels", others.Predict("my parcel is late").Label);

        var generator = host.Services.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>();
        var middle = host.Services.GetRequiredKeyedService<IEmbeddingGenerator<string, Embedding<float>>>("middle");
        Assert.Same(generator, host.Services.GetRequiredService<LlmEmbedEmbeddingGenerator>());
        Assert.Equal([new View(4, Pooling.Mean)], generator.GetRequiredService<TextEncoder>().Views);
        Assert.Equal([new View(2, Pooling.Mean)], middle.GetRequiredService<TextEncoder>().Views);
        Assert.Single(await middle.GenerateAsync(["a text"], cancellationToken: Models.Cancellation));
        Assert.Equal([Models.Backbone], backbones.Names);
        await host.StopAsync(Models.Cancellation);
    }

    [Fact]
    public async Task A_pipeline_takes_the_registered_generator()
    {
        using IHost host = Host(services => services
            .AddLlmEmbedEmbeddingGenerator(Models.Backbone)
            .AddDistributedMemoryCache()
            .AddEmbeddingGenerator(provider => provider.GetRequiredService<LlmEmbedEmbeddingGenerator>())
            .UseDistributedCache());
        var pipeline = host.Services.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>();
        Assert.IsType<DistributedCachingEmbeddingGenerator<string, Embedding<float>>>(pipeline);
        Assert.Single(await pipeline.GenerateAsync(["a text"], cancellationToken: Models.Cancellation));
    }

    [Fact]
    public async Task A_host_does_not_start_without_its_models_and_says_why()
    {
        string missing = Path.Combine(Path.GetTempPath(), "no-such-classifier");
        string expected = Assert.Throws<LlmEmbedException>(() => Models.Load(missing)).Message;
        await AssertRefused(services => services.AddLlmEmbedClassifier(missing), expected);
        await AssertRefused(services => services.AddKeyedLlmEmbedClassifier("a key", Repository.Fixture(Models.Backbone)), "it is no classifier");
        await AssertRefused(services => services.AddLlmEmbedEmbeddingGenerator("no-such-model"), "Backbone 'no-such-model' was not found");
        await AssertRefused(
            services => services.AddLlmEmbedClassifier(missing, options => options.LoadAtStart = false), expected);

        static async Task AssertRefused(Action<IServiceCollection> register, string expected)
        {
            using IHost host = Host(register);
            OptionsValidationException error = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync(Models.Cancellation));
            Assert.Contains(expected, error.Message, StringComparison.Ordinal);
            Assert.Empty(host.Services.GetRequiredService<OpenBackbones>().Names);
        }
    }

    [Fact]
    public async Task What_is_wrong_inside_of_a_model_stops_the_start_too()
    {
        using IHost host = Host(
            services => services.AddLlmEmbedEmbeddingGenerator(Models.Backbone, options => options.View = new View(9, Pooling.Mean)));
        LlmEmbedException error = await Assert.ThrowsAsync<LlmEmbedException>(() => host.StartAsync(Models.Cancellation));
        Assert.Contains("Depth 9 is outside 0..4", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_log_says_what_a_user_should_know_of_a_model_once()
    {
        using TemporaryFolder folder = new();
        string backbone = folder.CopyFixture(Models.Backbone);
        TemporaryFolder.EditJson(Path.Combine(backbone, "config.json"), config => config["colour"] = "blue");
        using Messages messages = new();
        using IHost host = Host(services => services
            .AddLogging(logging => logging.AddProvider(messages))
            .AddLlmEmbedEmbeddingGenerator(backbone)
            .AddKeyedLlmEmbedEmbeddingGenerator("again", backbone));
        await host.StartAsync(Models.Cancellation);
        Assert.Single(messages.All, message => message.Contains("colour", StringComparison.Ordinal));
        await host.StopAsync(Models.Cancellation);
    }

    [Fact]
    public async Task Nothing_is_loaded_at_the_start_if_that_is_not_wanted()
    {
        using IHost host = Host(services => services
            .AddLlmEmbedClassifier(Models.Classifier, options => options.LoadAtStart = false)
            .AddLlmEmbedEmbeddingGenerator(Models.Backbone, options => options.LoadAtStart = false));
        await host.StartAsync(Models.Cancellation);
        Assert.Empty(host.Services.GetRequiredService<OpenBackbones>().Names);
        Assert.Equal("billing", host.Services.GetRequiredService<ITextClassifier>().Predict("the invoice price").Label);
        await host.StopAsync(Models.Cancellation);
    }

    [Fact]
    public void Configuration_changes_the_options()
    {
        ConfigurationManager configuration = new();
        configuration.AddInMemoryCollection([new("Requests:Folder", Models.OtherClassifier), new("LlmEmbed:Threads", "1")]);
        using ServiceProvider provider = new ServiceCollection()
            .AddSingleton(configuration.GetSection("LlmEmbed").Get<RuntimeOptions>()! with { ModelFolders = Models.Runtime.ModelFolders })
            .AddLlmEmbedClassifier("somewhere-else")
            .Configure<LlmEmbedClassifierOptions>(configuration.GetSection("Requests"))
            .BuildServiceProvider();
        Assert.Equal(["money", "parcels"], provider.GetRequiredService<TextClassifier>().Labels);
        Assert.Equal(1, provider.GetRequiredService<OpenBackbones>().Runtime.Threads);
    }

    [Fact]
    public async Task A_container_frees_what_it_holds()
    {
        ServiceProvider provider = new ServiceCollection()
            .AddSingleton(Models.Runtime)
            .AddLlmEmbedClassifier(Models.Classifier)
            .AddLlmEmbedEmbeddingGenerator(Models.Backbone)
            .BuildServiceProvider();
        OpenBackbones backbones = provider.GetRequiredService<OpenBackbones>();
        ITextClassifier classifier = provider.GetRequiredService<ITextClassifier>();
        var generator = provider.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>();
        Assert.Equal("billing", classifier.Predict("the invoice price").Label);
        await provider.DisposeAsync();
        Assert.Empty(backbones.Names);
        Assert.Throws<ObjectDisposedException>(() => classifier.Predict("the invoice price"));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => generator.GenerateAsync(["a"], cancellationToken: Models.Cancellation));
    }

    [Fact]
    public async Task A_generator_that_cannot_be_made_keeps_no_encoder()
    {
        await using ServiceProvider provider = new ServiceCollection()
            .AddSingleton(Models.Runtime)
            .AddLlmEmbedEmbeddingGenerator(Models.Backbone, options => options.Dimensions = 1)
            .BuildServiceProvider();
        Assert.Throws<ArgumentOutOfRangeException>(() => provider.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>());
    }

    private static IHost Host(Action<IServiceCollection> register)
    {
        HostApplicationBuilder builder = new(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddSingleton(Models.Runtime);
        register(builder.Services);
        return builder.Build();
    }
}
