namespace Mesh.Injection;

/// <summary>Decides whether a pod gets a sidecar, in Istio's order (semantics 9.3). Pure.</summary>
internal static class InjectionDecision
{
    /// <summary>Why <paramref name="pod"/> is left alone; null when it is to be injected.</summary>
    public static string? WhyNot(PodInput pod, InjectionSettings settings, Notes notes)
    {
        Dictionary<string, string> labels = pod.Metadata.Map("labels").Texts();
        if (pod.Spec.Flag("hostNetwork"))
        {
            return "it uses the host's network, whose traffic is not the pod's alone";
        }

        if (settings.IgnoredNamespaces.Contains(pod.Namespace))
        {
            return $"namespace {pod.Namespace} is never injected";
        }

        string? label = labels.GetValueOrDefault(Names.InjectKey);
        if (pod.NamespaceLabels is { } of && WhyNotNamespace(of, label, settings) is { } why)
        {
            return why;
        }

        // The label goes before the deprecated annotation of the same name, whatever it says.
        string where = label is null ? "annotation" : "label";
        string? wish = label ?? pod.Metadata.Map("annotations").Text(Names.InjectKey);
        if (wish is "true" or "false")
        {
            return wish == "true" ? null : $"its {where} {Names.InjectKey} is \"false\"";
        }

        if (wish is not null)
        {
            notes.Warnings.Add($"{where} {Names.InjectKey}: \"{wish}\" says neither; write \"true\" or \"false\". The default is taken");
        }

        return settings.NeverInject.Any(s => s.Matches(labels)) ? "neverInjectSelector selects it"
            : settings.AlwaysInject.Any(s => s.Matches(labels)) || settings.IsEnabled ? null
            : $"the policy is disabled; write the label {Names.InjectKey}: \"true\"";
    }

    /// <summary>What the selectors of Istio's webhooks say: istio-injection decides when it is there, else the revision, else the pod's label alone.</summary>
    private static string? WhyNotNamespace(IReadOnlyDictionary<string, string> of, string? label, InjectionSettings settings)
    {
        if (of.TryGetValue(Names.NamespaceInjection, out string? injection))
        {
            return injection == "enabled" ? null : $"its namespace has the label {Names.NamespaceInjection}={injection}";
        }

        if (of.TryGetValue(Names.RevisionLabel, out string? revision))
        {
            return revision == settings.Revision ? null : $"its namespace is of revision {revision}, this is {settings.Revision}";
        }

        return label == "true" ? null : $"its namespace has no label {Names.NamespaceInjection}=enabled";
    }
}
