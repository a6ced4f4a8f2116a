using System.Text.Json.Nodes;

namespace Mesh.Injection;

/// <summary>The containers that are added: the sidecar, and the one that leads traffic to it before it starts.</summary>
internal static class ProxyContainer
{
    /// <summary>The sidecar.</summary>
    /// <param name="pod">What holds for the pod.</param>
    /// <param name="settings">The operator's settings.</param>
    /// <param name="handedOver">Variables that tell the sidecar what was taken out of the pod: probes, Prometheus' annotations.</param>
    public static JsonObject Sidecar(PodSettings pod, InjectionSettings settings, IEnumerable<(string Name, string Value)> handedOver)
    {
        JsonObject container = Container(Names.Proxy, pod, settings);
        container["args"] = Arguments(
            [
                "run",
                "--pod=$(POD_NAME).$(POD_NAMESPACE)",
                $"--pod-info={Names.PodPath}",
                $"--control-plane={settings.ControlPlane}",
                $"--control-plane-ca={Names.RootPath}/root-cert.pem",
                $"--control-plane-token={Names.TokenPath}/token",
                $"--state={Names.StatePath}",
                .. Interception(pod.Mode),
            ],
            pod.Run);
        container["env"] = Environment(handedOver);
        container["ports"] = new JsonArray(new JsonObject { ["name"] = "http-envoy-prom", ["containerPort"] = Names.MetricsPort, ["protocol"] = "TCP" });
        AddProbes(container, pod);
        if (pod.IsNative)
        {
            container["restartPolicy"] = "Always";
            // It ends after the application, so SIGTERM comes too late to tell the pod's callers.
            AddHook(container, "preStop", settings, "drain");
        }
        else if (pod.HoldsApplication)
        {
            // Kubelet starts the next container when this hook has ended.
            AddHook(container, "postStart", settings, "wait");
        }

        // Transparent sockets need a capability, which Kubernetes gives to root alone; the group is what the rules of the kernel know the sidecar by then.
        container["securityContext"] = pod.Mode == InterceptionMode.Tproxy
            ? Security(0, Names.ProxyUser, isReadOnly: true, "NET_ADMIN")
            : Security(Names.ProxyUser, Names.ProxyUser, isReadOnly: true);
        container["volumeMounts"] = Mounts(pod);
        return container;
    }

    /// <summary>Writes the rules of the kernel and ends.</summary>
    public static JsonObject Init(PodSettings pod, InjectionSettings settings)
    {
        JsonObject container = Container(Names.Init, pod, settings);
        container["args"] = Arguments(["init"], pod.Capture);
        // iptables locks a file under /run, so its root file system is written to.
        container["securityContext"] = Security(0, 0, isReadOnly: false, "NET_ADMIN", "NET_RAW");
        return container;
    }

    // Redirect is what a pod means to the sidecar.
    private static string[] Interception(InterceptionMode mode) => mode == InterceptionMode.Redirect ? [] : [$"--interception={mode.ToString().ToLowerInvariant()}"];

    private static void AddHook(JsonObject container, string hook, InjectionSettings settings, string verb) => container.MapAt("lifecycle")[hook] =
        new JsonObject { ["exec"] = new JsonObject { ["command"] = new JsonArray(settings.Program, verb) } };

    private static JsonObject Container(string name, PodSettings pod, InjectionSettings settings)
    {
        JsonObject container = new() { ["name"] = name, ["image"] = pod.Image };
        if (settings.ImagePullPolicy is { } policy)
        {
            container["imagePullPolicy"] = policy;
        }

        JsonObject resources = [];
        ResourceSettings of = pod.Resources;
        AddQuantities(resources, "requests", of.CpuRequest, of.MemoryRequest);
        AddQuantities(resources, "limits", of.CpuLimit, of.MemoryLimit);
        if (resources.Count > 0)
        {
            container["resources"] = resources;
        }

        return container;
    }

    private static void AddQuantities(JsonObject resources, string name, string? cpu, string? memory)
    {
        if (cpu is not null)
        {
            resources.MapAt(name)["cpu"] = cpu;
        }

        if (memory is not null)
        {
            resources.MapAt(name)["memory"] = memory;
        }
    }

    private static JsonArray Arguments(string[] first, IEnumerable<KeyValuePair<string, string>> options)
    {
        JsonArray arguments = new([.. first.Select(static a => (JsonNode?)a)]);
        foreach ((string option, string value) in options)
        {
            arguments.Add((JsonNode?)$"{option}={value}");
        }

        return arguments;
    }

    private static JsonArray Environment(IEnumerable<(string Name, string Value)> handedOver)
    {
        (string Name, string Path)[] fields =
        [
            ("POD_NAME", "metadata.name"), ("POD_NAMESPACE", "metadata.namespace"), ("POD_IP", "status.podIP"), ("POD_IPS", "status.podIPs"),
            ("HOST_IP", "status.hostIP"), ("NODE_NAME", "spec.nodeName"), ("SERVICE_ACCOUNT", "spec.serviceAccountName"),
        ];
        JsonArray all = new([.. fields.Select(static JsonNode? (f) => new JsonObject
        {
            ["name"] = f.Name,
            ["valueFrom"] = new JsonObject { ["fieldRef"] = new JsonObject { ["fieldPath"] = f.Path } },
        })]);
        foreach ((string name, string value) in handedOver)
        {
            all.Add((JsonNode)new JsonObject { ["name"] = name, ["value"] = value });
        }

        return all;
    }

    private static void AddProbes(JsonObject container, PodSettings pod)
    {
        if (!pod.HasProbe)
        {
            return;
        }

        container["readinessProbe"] = new JsonObject
        {
            ["httpGet"] = Health(),
            ["initialDelaySeconds"] = pod.ProbeDelay,
            ["periodSeconds"] = pod.ProbePeriod,
            ["timeoutSeconds"] = 3,
            ["failureThreshold"] = pod.ProbeFailures,
        };
        container["startupProbe"] = new JsonObject
        {
            ["httpGet"] = Health(),
            ["periodSeconds"] = 1,
            ["timeoutSeconds"] = 3,
            ["failureThreshold"] = 600,
        };

        static JsonObject Health() => new() { ["path"] = "/healthz/ready", ["port"] = Names.HealthPort };
    }

    private static JsonObject Security(int user, int group, bool isReadOnly, params string[] added)
    {
        JsonObject capabilities = new() { ["drop"] = new JsonArray("ALL") };
        if (added.Length > 0)
        {
            capabilities["add"] = new JsonArray([.. added.Select(static a => (JsonNode?)a)]);
        }

        return new JsonObject
        {
            ["allowPrivilegeEscalation"] = false,
            ["capabilities"] = capabilities,
            ["privileged"] = false,
            ["readOnlyRootFilesystem"] = isReadOnly,
            ["runAsGroup"] = group,
            ["runAsNonRoot"] = user != 0,
            ["runAsUser"] = user,
            ["seccompProfile"] = new JsonObject { ["type"] = "RuntimeDefault" },
        };
    }

    private static JsonArray Mounts(PodSettings pod)
    {
        JsonArray mounts = new(
            Mount(Names.StateVolume, Names.StatePath, isReadOnly: false),
            Mount(Names.TokenVolume, Names.TokenPath, isReadOnly: true),
            Mount(Names.RootVolume, Names.RootPath, isReadOnly: true),
            Mount(Names.PodVolume, Names.PodPath, isReadOnly: true));
        foreach ((string name, JsonNode? mount) in pod.UserMounts ?? [])
        {
            JsonObject copy = mount is JsonObject given ? (JsonObject)given.DeepClone() : [];
            copy["name"] = name;
            mounts.Add((JsonNode)copy);
        }

        return mounts;
    }

    private static JsonObject Mount(string name, string path, bool isReadOnly)
    {
        JsonObject mount = new() { ["name"] = name, ["mountPath"] = path };
        if (isReadOnly)
        {
            mount["readOnly"] = true;
        }

        return mount;
    }
}
