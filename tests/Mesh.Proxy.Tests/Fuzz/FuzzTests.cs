using System.Globalization;
using Mesh.Proxy.Tests.Http1;
using Xunit;
using Xunit.Abstractions;

namespace Mesh.Proxy.Tests.Fuzz;

/// <summary>
/// The corpus, replayed, and a run of seeded mutation over every target. <c>MESH_FUZZ_SECONDS</c> sets the seconds for each target (default 1), <c>MESH_FUZZ_SEED</c>
/// the seed (default 1). An input that fails is printed in base64; put it into the corpus folder of its target when the fault is mended.
/// </summary>
public sealed class FuzzTests(ITestOutputHelper output)
{
    private const int LeastExecutions = 1000;

    public static TheoryData<string> Targets => [.. FuzzTarget.All.Select(static t => t.Name)];

    public static TheoryData<string, string> Corpus
    {
        get
        {
            TheoryData<string, string> data = [];
            foreach (FuzzTarget target in FuzzTarget.All)
            {
                foreach (string file in target.CorpusFiles)
                {
                    data.Add(target.Name, Path.GetFileName(file));
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Corpus))]
    public void Corpus_Replayed_Holds(string target, string file) =>
        Target(target).Run(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Fuzz", "Corpus", target, file)));

    [Theory]
    [MemberData(nameof(Targets))]
    public void Seeds_AsTheyAre_Hold(string target)
    {
        foreach (byte[] seed in Target(target).Seeds)
        {
            RunOne(Target(target), seed);
        }
    }

    [Theory]
    [MemberData(nameof(Targets))]
    public void Mutations_Seeded_Hold(string name)
    {
        FuzzTarget target = Target(name);
        int seed = Setting("MESH_FUZZ_SEED", 1);
        TimeSpan budget = TimeSpan.FromSeconds(Setting("MESH_FUZZ_SECONDS", 1));
        Mutator mutator = new(target.Seeds, [.. target.CorpusFiles.Select(File.ReadAllBytes)], new Random(seed));
        TimeProvider time = TimeProvider.System;
        long startedAt = time.GetTimestamp();
        long executions = 0;
        while (executions < LeastExecutions || time.GetElapsedTime(startedAt) < budget)
        {
            RunOne(target, mutator.Next());
            executions++;
        }

        output.WriteLine($"fuzz {name}: {executions} executions in {time.GetElapsedTime(startedAt).TotalSeconds:F0} s, seed {seed}");
    }

    private static FuzzTarget Target(string name) => FuzzTarget.All.Single(t => t.Name == name);

    private static void RunOne(FuzzTarget target, byte[] input)
    {
        try
        {
            target.Run(input);
        }
        catch (Exception failure)
        {
            string text = Wire.Text(input).Replace("\r", "\\r", StringComparison.Ordinal).Replace("\n", "\\n\n", StringComparison.Ordinal);
            throw new InvalidOperationException($"{target.Name} fails for {Convert.ToBase64String(input)}, which is\n{text}", failure);
        }
    }

    private static int Setting(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : otherwise;
}
