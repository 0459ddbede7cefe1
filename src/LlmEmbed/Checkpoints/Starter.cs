namespace LlmEmbed.Checkpoints;

/// <summary>A backbone that comes with the project: in its repository, and as a package for programs elsewhere.</summary>
/// <param name="Name">Its name here.</param>
/// <param name="Package">The NuGet package that puts it beside a program.</param>
/// <param name="Repository">
/// The repository of the same model on the Hugging Face Hub. Its files are others, so it never stands in for the name: what is trained with one of
/// them cannot be used with the other.
/// </param>
internal sealed record Starter(string Name, string Package, string Repository)
{
    public static readonly IReadOnlyList<Starter> All =
    [
        new("smollm2-135m-instruct", "LlmEmbed.Models.SmolLM2-135M-Instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"),
        new("all-minilm-l6-v2", "LlmEmbed.Models.all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"),
    ];

    /// <summary>How a program comes to it, as a sentence.</summary>
    public string Advice => $"{Name} is a starter model of LlmEmbed: add the NuGet package {Package} to the program.";

    /// <summary>Null if it is no starter's name.</summary>
    public static Starter? Find(string name) => All.FirstOrDefault(starter => starter.Name == name);
}
