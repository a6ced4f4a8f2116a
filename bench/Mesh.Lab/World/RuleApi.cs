using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Mesh.Lab.World;

/// <summary>Applies and removes DestinationRules as <c>kubectl apply --server-side</c> and <c>kubectl delete</c> do, with plain HTTP.</summary>
/// <param name="http">Client without proxy.</param>
/// <param name="root">Address of the control plane.</param>
internal sealed partial class RuleApi(HttpClient http, Uri root)
{
    private const string Folder = "/apis/networking.istio.io/v1alpha3/namespaces/default/destinationrules";

    /// <summary>Sends a rule as it is, byte for byte. Returns the object's name.</summary>
    public async Task<string> ApplyAsync(byte[] yaml, CancellationToken stop)
    {
        string name = NameOf(System.Text.Encoding.UTF8.GetString(yaml));
        using HttpRequestMessage request = new(HttpMethod.Patch, new Uri(root, $"{Folder}/{name}?fieldManager=mesh-lab&force=true"));
        request.Content = new ByteArrayContent(yaml);
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/apply-patch+yaml");
        using HttpResponseMessage answer = await http.SendAsync(request, stop);
        return answer.IsSuccessStatusCode
            ? name
            : throw new Processes.LabException($"the API refused the rule: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync(stop)}");
    }

    /// <summary>Removes a rule; one that is not there is fine.</summary>
    public async Task DeleteAsync(string name, CancellationToken stop)
    {
        using HttpResponseMessage answer = await http.DeleteAsync(new Uri(root, $"{Folder}/{name}"), stop);
        if (answer.StatusCode != HttpStatusCode.NotFound)
        {
            answer.EnsureSuccessStatusCode();
        }
    }

    /// <summary>Whether the rule's status says <c>Programmed</c> for the object's last change.</summary>
    public async Task<bool> IsProgrammedAsync(string name, CancellationToken stop)
    {
        using HttpResponseMessage answer = await http.GetAsync(new Uri(root, $"{Folder}/{name}"), stop);
        return answer.IsSuccessStatusCode && IsProgrammed(await answer.Content.ReadAsStringAsync(stop));
    }

    /// <summary>Reads the condition from an object.</summary>
    internal static bool IsProgrammed(string rule)
    {
        using JsonDocument json = JsonDocument.Parse(rule);
        long generation = Number(json.RootElement.GetProperty("metadata"), "generation") ?? 0;
        if (!json.RootElement.TryGetProperty("status", out JsonElement status) || !status.TryGetProperty("conditions", out JsonElement conditions))
        {
            return false;
        }

        long? whole = Number(status, "observedGeneration");
        return conditions.EnumerateArray().Any(condition =>
            condition.GetProperty("type").GetString() == "Programmed"
            && condition.GetProperty("status").GetString() == "True"
            && (Number(condition, "observedGeneration") ?? whole ?? generation) == generation);
    }

    /// <summary>The <c>metadata.name</c> of a rule written in block style.</summary>
    internal static string NameOf(string yaml)
    {
        Match match = MetadataName().Match(yaml);
        return match.Success ? match.Groups[1].Value : throw new Processes.LabException("the rule has no metadata.name");
    }

    // Istio's schema types observedGeneration as int-or-string.
    private static long? Number(JsonElement json, string key) => !json.TryGetProperty(key, out JsonElement value) ? null
        : value.ValueKind == JsonValueKind.Number ? value.GetInt64()
        : long.TryParse(value.GetString(), System.Globalization.CultureInfo.InvariantCulture, out long number) ? number : null;

    [GeneratedRegex(@"^metadata:[^\n]*\n(?:[ \t]+[^\n]*\n)*?[ \t]+name:[ \t]*['""]?([a-z0-9.-]+)", RegexOptions.Multiline)]
    private static partial Regex MetadataName();
}
