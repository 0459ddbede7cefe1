using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using LlmEmbed.Server;

namespace LlmEmbed.Cli;

/// <summary>llmembed serve: answers requests over HTTP.</summary>
internal static class ServeCommand
{
    /// <summary>
    /// The variable with keys, separated by commas. They do not stand on a command line, which other users of the machine can read.
    /// </summary>
    private const string KeysVariable = "LLMEMBED_API_KEY";

    public static ToolCommand Create(Terminal terminal)
    {
        Argument<string[]> models = new("MODEL")
        {
            Description = "Folders that 'llmembed train' wrote. A model is served under its folder's name; name=FOLDER gives it another one.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        Option<string[]> backbones = new("--backbone")
        {
            Description = "Model whose vectors and hidden states are served. " + CommonOptions.BackboneNames + " Repeat it to serve several.",
            HelpName = "NAME|PATH",
        };
        ServeArguments serving = new();
        RuntimeArguments runtimeArguments = RuntimeArguments.KeepingWeightsOnly(hasMemory: true);
        Option<bool> json = new("--json") { Description = "Say as one JSON object on standard output when the server is ready." };
        ToolCommand command = new(
            terminal,
            "serve",
            "Answer requests over HTTP, in the shapes of Text Embeddings Inference, OpenAI and Hugging Face. Each option is also an environment " +
            "variable: --max-texts is LLMEMBED_MAX_TEXTS.")
        { models, backbones };
        command.Files.Add(PathRole.Model, models, backbones);
        serving.AddTo(command);
        runtimeArguments.AddTo(command);
        command.Add(json);
        command.Run((parsed, cancellationToken) =>
        {
            LlmEmbedServerOptions options = serving.Read(parsed) with
            {
                Classifiers = parsed.GetValue(models) ?? [],
                Backbones = parsed.GetValue(backbones) ?? [],
                Runtime = runtimeArguments.Read(terminal, parsed) with { CacheFolder = null },
                ApiKeys = [.. serving.KeysOfFile(parsed), .. KeysOf(Environment.GetEnvironmentVariable(KeysVariable))],
            };
            if (options.Classifiers.Count + options.Backbones.Count == 0)
                throw new WrongUsageException("There is nothing to serve: name the folder of a classifier, or a backbone with --backbone.");
            options = options with { Queue = options.Queue with { Threads = options.Runtime.Threads } };
            LlmEmbedHostOptions host = serving.ReadHost(parsed);
            if (options.ApiKeys.Count == 0 && !IPAddress.IsLoopback(host.Address))
            {
                terminal.Error.WriteLine(
                    $"llmembed: {host.Address} is reached from other machines, and no key is needed. Give keys with --api-key-file or " +
                    $"{KeysVariable}.");
            }
            return RunAsync(terminal, options, host, parsed.GetValue(json), cancellationToken).GetAwaiter().GetResult();
        });
        return command;
    }

    private static async Task<int> RunAsync(
        Terminal terminal, LlmEmbedServerOptions options, LlmEmbedHostOptions hostOptions, bool asJson, CancellationToken cancellationToken)
    {
        await using LlmEmbedHost host = ConsoleProgress.Show(
            terminal, progress => LlmEmbedHost.Load(options, hostOptions, progress, cancellationToken));
        await host.RunAsync(ready => Print(terminal, ready, asJson), cancellationToken);
        return ExitCode.Success;
    }

    private static void Print(Terminal terminal, ServerReady ready, bool asJson)
    {
        foreach (string warning in ready.Warnings) terminal.Error.WriteLine($"llmembed: {warning}");
        if (asJson)
        {
            terminal.Output.WriteLine(new JsonObject
            {
                ["address"] = ready.Address.ToString(),
                ["models"] = new JsonArray([.. ready.Models.Select(model => (JsonNode)model)]),
                ["loading_seconds"] = ready.Loading.TotalSeconds,
                ["warm_up_seconds"] = ready.WarmUp.TotalSeconds,
            }.ToJsonString());
        }
        else
        {
            terminal.Output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"Ready at {ready.Address} with {string.Join(", ", ready.Models)} (loaded in {ready.Loading.TotalSeconds:0.0} s, warm-up " +
                $"{ready.WarmUp.TotalSeconds:0.0} s). Ctrl+C ends it."));
        }
        terminal.Output.Flush();
    }

    private static string[] KeysOf(string? variable) =>
        variable?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [];
}
