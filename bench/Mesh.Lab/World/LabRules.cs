using System.Text;

namespace Mesh.Lab.World;

/// <summary>The rules of the lab besides the file: parts and variants of it.</summary>
internal static class LabRules
{
    /// <summary>The name all of them have, so that each replaces the one before.</summary>
    public const string Name = "products";

    /// <summary><c>baseEjectionTime</c> of <see cref="OutlierOnly"/>.</summary>
    public static readonly TimeSpan BaseEjectionTime = TimeSpan.FromSeconds(30);

    /// <summary>The lab's rule: the owner's file if named, else the one beside the program.</summary>
    public static byte[] FromFile(string? path) => File.ReadAllBytes(path ?? Path.Combine(AppContext.BaseDirectory, "rules", "products-destinationrule.yaml"));

    /// <summary>The outlier block of the lab's rule alone.</summary>
    public static byte[] OutlierOnly() => Rule("", "consecutive5xxErrors: 5", "1s", "30s");

    /// <summary>The lab's limits with another length of the queue.</summary>
    public static byte[] WithPending(int pending) => Rule(
        Pool(1, pending, "        maxRequestsPerConnection: 1\n"), "consecutive5xxErrors: 5", "1s", "30s");

    /// <summary>Limits nobody reaches; number <paramref name="variant"/> of many that differ in every limit and threshold.</summary>
    public static byte[] Roomy(int variant) => Rule(
        Pool(100 + variant, 200 + variant, $"        http2MaxRequests: {300 + variant}\n"), $"consecutive5xxErrors: {5 + (variant % 3)}", $"{1 + (variant % 2)}s", "120s");

    /// <summary><c>http1MaxPendingRequests</c> of <see cref="Roomy"/>.</summary>
    public static long RoomyPending(int variant) => 200 + variant;

    private static string Pool(int connections, int pending, string more) =>
        $"    connectionPool:\n      tcp:\n        maxConnections: {connections}\n      http:\n        http1MaxPendingRequests: {pending}\n{more}";

    private static byte[] Rule(string pool, string threshold, string interval, string baseTime) => Encoding.UTF8.GetBytes($"""
        apiVersion: networking.istio.io/v1alpha3
        kind: DestinationRule
        metadata:
          name: {Name}
        spec:
          host: products
          trafficPolicy:

        """ + pool + $"""
            outlierDetection:
              {threshold}
              interval: {interval}
              baseEjectionTime: {baseTime}
              maxEjectionPercent: 100

        """);
}
