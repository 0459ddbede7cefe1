namespace LlmEmbed.Server;

/// <summary>Marks routes that need no key: those that say whether the server lives, its page and its description.</summary>
internal sealed class OpenToAll;
