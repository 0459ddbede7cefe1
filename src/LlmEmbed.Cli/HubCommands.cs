using System.CommandLine;
using System.Security.Cryptography;
using LlmEmbed.Files;

namespace LlmEmbed.Cli;

/// <summary>llmembed download and llmembed cache: models of the Hugging Face Hub on this machine.</summary>
internal static class HubCommands
{
    public static Command CreateDownload(Terminal terminal)
    {
        Argument<string> name = new("NAME")
        {
            Description = "org/name[@revision], where revision is a branch, a tag, a commit or refs/pr/N. org/name:Q8_0 or org/name/FILE.gguf, " +
                "with or without @revision, is one GGUF file.",
        };
        Option<string?> localFolder = new("--local-dir")
        {
            Description = "Also copy the files into this folder. A file there that differs is an error and stays as it is.",
            HelpName = "DIR",
        };
        Option<bool> offline = CommonOptions.Offline();
        ToolCommand command = new(
            terminal,
            "download",
            "Fetch a model from the Hugging Face Hub into the cache that Python uses too, check every byte, and print where it is. " +
            "For gated or private models set HF_TOKEN.")
        { name, localFolder, offline };
        command.Files.Add(PathRole.Additions, localFolder);
        command.Run((parsed, cancellation) =>
        {
            HubOptions options = new() { Offline = parsed.GetValue(offline) };
            string folder = ConsoleProgress.Show(
                terminal,
                progress => HubRepository.DownloadAsync(parsed.GetRequiredValue(name), options, progress, cancellation).GetAwaiter().GetResult());
            string? target = parsed.GetValue(localFolder) is string path ? Path.GetFullPath(path) : null;
            if (target is not null) folder = Copy(folder, target, cancellation);
            terminal.Output.WriteLine(folder);
            return ExitCode.Success;
        });
        return command;
    }

    public static Command CreateCache(Terminal terminal) =>
        new("cache", "List, check or remove the models in the Hugging Face cache. Nothing is sent.")
        {
            CreateList(terminal), CreateVerify(terminal), CreateRemove(terminal),
        };

    private static ToolCommand CreateList(Terminal terminal)
    {
        ToolCommand command = new(terminal, "list", "Print each model with its size and its commits.");
        command.Run((_, _) =>
        {
            foreach (HubRepository repository in HubRepository.Cached())
                terminal.Output.WriteLine($"{repository.Id}\t{repository.Bytes / 1e6:N1} MB\t{string.Join(", ", repository.Commits)}");
            return ExitCode.Success;
        });
        return command;
    }

    private static ToolCommand CreateVerify(Terminal terminal)
    {
        Argument<string?> name = new("NAME") { Description = "org/name. Default: all models.", Arity = ArgumentArity.ZeroOrOne };
        ToolCommand command = new(terminal, "verify", "Read every file and compare it with its hash; ends with 1 if one is damaged.") { name };
        command.Run((parsed, cancellation) =>
        {
            IReadOnlyList<HubRepository> repositories = parsed.GetValue(name) is string id ? [Find(id)] : HubRepository.Cached();
            string[] damage = ConsoleProgress.Show(
                terminal, progress => repositories.SelectMany(repository => repository.FindDamage(progress, cancellation)).ToArray());
            foreach (string problem in damage) terminal.Error.WriteLine($"llmembed: {problem}");
            terminal.Output.WriteLine($"{repositories.Count:N0} models checked, {damage.Length:N0} files damaged");
            return damage.Length == 0 ? ExitCode.Success : ExitCode.BadInput;
        });
        return command;
    }

    private static ToolCommand CreateRemove(Terminal terminal)
    {
        Argument<string> name = new("NAME") { Description = "org/name; all its commits are removed." };
        ToolCommand command = new(terminal, "remove", "Remove a model from the cache, for Python too.") { name };
        command.Run((parsed, _) =>
        {
            HubRepository repository = Find(parsed.GetRequiredValue(name));
            long bytes = repository.Bytes;
            repository.Remove();
            terminal.Output.WriteLine($"{repository.Id} removed, {bytes / 1e6:N1} MB");
            return ExitCode.Success;
        });
        return command;
    }

    /// <summary>
    /// Copies the files of a folder, or one file, that another folder lacks, once all that it has are known to be the same. Returns where they are.
    /// </summary>
    private static string Copy(string from, string to, CancellationToken cancellation)
    {
        string? only = File.Exists(from) ? Path.GetFileName(from) : null;
        if (only is not null) from = Path.GetDirectoryName(from)!;
        string[] files = only is not null
            ? [only] : [.. Directory.GetFiles(from, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(from, file))];
        foreach (string file in files)
        {
            string existing = Path.Combine(to, file);
            if (File.Exists(existing) && !IsSame(Path.Combine(from, file), existing))
                throw new LlmEmbedException($"{existing} differs from the file of the model and stays as it is. Name an empty folder.")
                {
                    FilePath = existing,
                };
        }
        foreach (string file in files.Where(file => !File.Exists(Path.Combine(to, file))))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(to, file))!);
            using AtomicFile target = new(Path.Combine(to, file));
            using FileStream source = File.OpenRead(Path.Combine(from, file));
            byte[] block = new byte[1 << 20];
            for (int read; (read = source.Read(block)) > 0;)
            {
                cancellation.ThrowIfCancellationRequested();
                target.Write(block.AsSpan(0, read));
            }
            target.Commit();
        }
        return only is null ? to : Path.Combine(to, only);
    }

    private static bool IsSame(string first, string second)
    {
        using FileStream a = File.OpenRead(first), b = File.OpenRead(second);
        return a.Length == b.Length && SHA256.HashData(a).AsSpan().SequenceEqual(SHA256.HashData(b));
    }

    private static HubRepository Find(string id) =>
        HubRepository.Cached().FirstOrDefault(repository => repository.Id == id)
        ?? throw new LlmEmbedException($"'{id}' is not in the Hugging Face cache; llmembed cache list prints what is.");
}
