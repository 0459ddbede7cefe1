using System.Globalization;
using LlmEmbed.Tests.Hub;

// Serves FOLDER/org/name as the model org/name, for scripts and for trying the tool, until standard input ends or the process is stopped.
// Prints the address for HF_ENDPOINT. GET /sent answers with the bytes of content that were sent so far, GET /asked with the number of questions.
if (args is not [string folder, ..] || args.Length > 2)
{
    Console.Error.WriteLine("dotnet run --project tests/LlmEmbed.FakeHub -- FOLDER [BYTES_PER_SECOND]");
    return 2;
}
using FakeHub hub = new();
hub.Repositories.Clear();
foreach (string owner in Directory.GetDirectories(folder))
    foreach (string repository in Directory.GetDirectories(owner))
        hub.Serve(repository, $"{Path.GetFileName(owner)}/{Path.GetFileName(repository)}");
if (args.Length > 1) hub.BytesPerSecond = long.Parse(args[1], CultureInfo.InvariantCulture);
hub.Fault = request => request.Path switch
{
    "/sent" => FakeAnswer.Text($"{hub.ContentBytesSent}"),
    "/asked" => FakeAnswer.Text($"{hub.Requests.Count(asked => asked.Path is not ("/sent" or "/asked"))}"),
    _ => null,
};
Console.WriteLine(hub.Endpoint);
await Console.Out.FlushAsync();
while (await Console.In.ReadLineAsync() is not null)
{
    // Whoever started this keeps standard input open.
}
return 0;
