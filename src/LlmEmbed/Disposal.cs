namespace LlmEmbed;

/// <summary>Frees what is held together.</summary>
internal static class Disposal
{
    public static void All(IEnumerable<IDisposable> owned)
    {
        foreach (IDisposable one in owned) one.Dispose();
    }

    /// <summary>Runs a step that takes over what is owned, and frees that only if the step fails.</summary>
    public static T OnFailure<T>(IEnumerable<IDisposable> owned, Func<T> step)
    {
        try
        {
            return step();
        }
        catch
        {
            All(owned);
            throw;
        }
    }
}
