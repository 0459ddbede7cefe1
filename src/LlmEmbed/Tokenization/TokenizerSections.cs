using System.Text.Json;
using LlmEmbed.Files;

namespace LlmEmbed.Tokenization;

/// <summary>
/// What all readers of tokenizer.json and the files beside it share. Every key of a tokenizer may change the ids, so none is passed over.
/// </summary>
internal static class TokenizerSections
{
    /// <summary>Refuses a key that nobody read, unless its value says nothing.</summary>
    public static void RefuseUnread(this JsonSection section)
    {
        if (section.FirstUnread() is string unread)
            throw section.Error($"{unread} is not implemented and may change the ids. If it is harmless, remove it from the file.");
    }

    public static LlmEmbedException NotImplemented(this JsonSection section, string key, string found, string implemented) =>
        section.Error($"'{section.Place(key)}' is \"{found}\", which is not implemented. Implemented are {implemented}.");

    /// <summary>Looks up in a table what the <c>type</c> of a section stands for.</summary>
    public static T Kind<T>(this JsonSection section, IReadOnlyList<(string Name, T Read)> kinds) =>
        section.Kind("type", section.Text("type"), kinds);

    /// <summary>Looks up in a table what the value of a key stands for.</summary>
    /// <exception cref="LlmEmbedException">The table has no row of this name; the message lists the names.</exception>
    public static T Kind<T>(this JsonSection section, string key, string name, IReadOnlyList<(string Name, T Read)> kinds)
    {
        foreach ((string known, T read) in kinds)
            if (known == name) return read;
        throw section.NotImplemented(key, name, FileProblem.List([.. kinds.Select(kind => kind.Name)]));
    }

    /// <summary>The id of the token that a key names.</summary>
    public static int RequiredId(this JsonSection section, string key, Vocabulary vocabulary)
    {
        string token = section.Text(key);
        if (vocabulary.TryGetId(token, out int id)) return id;
        throw section.Error($"'{section.Place(key)}' is '{token}', which the vocabulary does not have.");
    }

    public static bool IsPair(this JsonElement element) => element.ValueKind == JsonValueKind.Array && element.GetArrayLength() == 2;
}
