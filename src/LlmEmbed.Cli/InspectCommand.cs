using System.CommandLine;

namespace LlmEmbed.Cli;

/// <summary>llmembed inspect: explains a checkpoint, an embedding store or a trained classifier.</summary>
internal static class InspectCommand
{
    public static Command Create(Terminal terminal)
    {
        Argument<string> path = new("PATH")
        {
            Description = "A backbone (name, folder, .gguf file, or org/name on the Hugging Face Hub, of which no weights are downloaded), a " +
                "folder of embeddings, or a folder that 'llmembed train' wrote.",
        };
        Option<string?> depths = CommonOptions.Depths();
        Option<IReadOnlyList<Pooling>?> poolings = CommonOptions.Poolings();
        Option<string[]> models = CommonOptions.ModelFolders();
        Option<bool> json = CommonOptions.Json();
        Option<bool> offline = CommonOptions.Offline();
        Option<long?> memory = CommonOptions.Memory();
        Option<IReadOnlyList<string>?> acceptedKeys = CommonOptions.AcceptConfigKeys();
        ToolCommand command = new(terminal, "inspect", "Explain a checkpoint and what it costs, an embedding store, or a trained classifier.")
        { path, depths, poolings, models, memory, acceptedKeys, offline, json };
        command.Files.Add(PathRole.Model, path);
        command.Files.Add(PathRole.Models, models);
        command.Run((parsed, _) =>
        {
            EncoderOptions options = new() { Views = ViewSelection.At(parsed.GetValue(depths), parsed.GetValue(poolings)) };
            RuntimeOptions runtime = new()
            {
                ModelFolders = parsed.GetValue(models) ?? [],
                MemoryBytes = parsed.GetValue(memory),
                Offline = parsed.GetValue(offline),
                AcceptedConfigKeys = parsed.GetValue(acceptedKeys) ?? [],
            };
            Inspection inspection = Inspection.Of(parsed.GetRequiredValue(path), options, runtime);
            terminal.Output.WriteLine(parsed.GetValue(json) ? inspection.ToJson() : inspection.ToString());
            return ExitCode.Success;
        });
        return command;
    }
}
