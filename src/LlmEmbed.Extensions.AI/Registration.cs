using System.Diagnostics.CodeAnalysis;
using LlmEmbed.Reading;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace LlmEmbed;

/// <summary>Something with a model inside, as a singleton of a container.</summary>
/// <typeparam name="T">What it is.</typeparam>
/// <typeparam name="TInterface">What it also is registered as.</typeparam>
/// <typeparam name="TOptions">What it is made of.</typeparam>
/// <param name="key">The key of the registration, which also is the name of its options; null for none.</param>
internal sealed class Registration<
    T, TInterface, [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicParameterlessConstructor)] TOptions>(string? key)
    where T : class, TInterface
    where TInterface : class
    where TOptions : class
{
    private readonly string _name = key ?? Options.DefaultName;

    /// <summary>Refuses options that cannot be loaded, without loading anything.</summary>
    public required Action<TOptions, OpenBackbones> Check { get; init; }

    public required Func<TOptions, OpenBackbones, IProgress<WorkProgress>, T> Load { get; init; }

    /// <summary>Makes ready what the first text would otherwise wait for.</summary>
    public required Action<T, IProgress<WorkProgress>, CancellationToken> WarmUp { get; init; }

    public required Func<TOptions, bool> LoadsAtStart { get; init; }

    public IServiceCollection AddTo(IServiceCollection services, Action<TOptions> configure)
    {
        services.TryAddSingleton(provider => new OpenBackbones(provider.GetService<RuntimeOptions>()));
        services.AddOptions<TOptions>(_name).Configure(configure).ValidateOnStart();
        services.AddSingleton<IValidateOptions<TOptions>>(provider => new Validation(this, provider.GetRequiredService<OpenBackbones>()));
        services.AddKeyedSingleton(key, (provider, _) => LoadIn(provider));
        services.AddKeyedSingleton<TInterface>(key, (provider, _) => In(provider));
        return services.AddSingleton<IHostedService>(provider => new LoadingAtStart(this, provider));
    }

    private static ILogger LogOf(IServiceProvider provider) =>
        provider.GetService<ILoggerFactory>()?.CreateLogger("LlmEmbed") ?? NullLogger.Instance;

    /// <summary>Loads it; what a user should know of the files of its backbones goes to the log.</summary>
    private T LoadIn(IServiceProvider provider)
    {
        OpenBackbones backbones = provider.GetRequiredService<OpenBackbones>();
        ILogger log = LogOf(provider);
        string[] said = [.. backbones.Warnings];
        T loaded = Load(OptionsIn(provider), backbones, new LoggedProgress(log));
        foreach (string warning in backbones.Warnings.Except(said, StringComparer.Ordinal)) log.LogWarning("{Warning}", warning);
        return loaded;
    }

    private TOptions OptionsIn(IServiceProvider provider) => provider.GetRequiredService<IOptionsMonitor<TOptions>>().Get(_name);

    private T In(IServiceProvider provider) => key is null ? provider.GetRequiredService<T>() : provider.GetRequiredKeyedService<T>(key);

    /// <summary>Tells what is wrong by the message of the library.</summary>
    private sealed class Validation(Registration<T, TInterface, TOptions> registration, OpenBackbones backbones) : IValidateOptions<TOptions>
    {
        public ValidateOptionsResult Validate(string? name, TOptions options)
        {
            if (name is not null && name != registration._name) return ValidateOptionsResult.Skip;
            try
            {
                registration.Check(options, backbones);
                return ValidateOptionsResult.Success;
            }
            catch (LlmEmbedException exception)
            {
                return ValidateOptionsResult.Fail(exception.Message);
            }
        }
    }

    private sealed class LoadingAtStart(Registration<T, TInterface, TOptions> registration, IServiceProvider provider) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => registration.LoadsAtStart(registration.OptionsIn(provider))
            ? Task.Run(
                () => registration.WarmUp(registration.In(provider), new LoggedProgress(LogOf(provider)), cancellationToken), cancellationToken)
            : Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
