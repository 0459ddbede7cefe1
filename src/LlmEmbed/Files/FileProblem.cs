namespace LlmEmbed.Files;

/// <summary>Why a file could not be opened, read or written, for messages that have named the file already.</summary>
internal static class FileProblem
{
    /// <summary>A sentence without the path, which .NET adds in full, be it that of a temporary file that the user never named.</summary>
    public static string Describe(Exception exception) => exception switch
    {
        FileNotFoundException => "there is no such file.",
        DirectoryNotFoundException => "a folder above it does not exist or is a file.",
        UnauthorizedAccessException => "access is denied.",
        _ => exception.Message.Split(" : '")[0].TrimEnd('.') + ".",
    };
}
