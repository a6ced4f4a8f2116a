using Mesh.Rules.Advice;
using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>Cross-field checks of a traffic policy. Texts are Istio's.</summary>
internal static class TrafficPolicyCheck
{
    public static void Check(TrafficPolicy? policy, Cursor at)
    {
        if (policy is null)
        {
            return;
        }

        if (at.IsEmptyMap)
        {
            at.Error("traffic policy must have at least one field");
        }

        CheckBlocks(policy.LoadBalancer, policy.ConnectionPool, policy.OutlierDetection, policy.Tls, at);
        Cursor ports = at.Field("portLevelSettings");
        for (int i = 0; i < policy.PortLevelSettings.Length; i++)
        {
            CheckPort(policy.PortLevelSettings[i], ports.Item(i));
        }

        if (policy.Tunnel is not null && policy.ProxyProtocol is not null)
        {
            at.Error("tunnel and proxyProtocol must not be set together");
        }

        if (policy.Tunnel is { } tunnel)
        {
            CheckTunnel(tunnel, at.Field("tunnel"));
        }
    }

    private static void CheckPort(PortTrafficPolicy policy, Cursor at)
    {
        if (policy.Port?.Number is null)
        {
            at.Error("portTrafficPolicy must have valid port", DiagnosticCode.Required);
        }

        if (at.Node is { } node && node.Fields.All(static field => field.Name == "port"))
        {
            at.Error("port traffic policy must have at least one field");
        }

        CheckBlocks(policy.LoadBalancer, policy.ConnectionPool, policy.OutlierDetection, policy.Tls, at);
    }

    private static void CheckBlocks(
        LoadBalancerSettings? loadBalancer, ConnectionPoolSettings? pool, OutlierDetection? outlier, ClientTlsSettings? tls, Cursor at)
    {
        if (loadBalancer is not null)
        {
            LoadBalancerCheck.Check(loadBalancer, outlier is not null, at.Field("loadBalancer"));
        }

        if (pool is not null)
        {
            Cursor here = at.Field("connectionPool");
            if (here.IsEmptyMap)
            {
                here.Error("connection pool must have at least one field");
            }

            if (pool.Http is { H2UpgradePolicy: "UPGRADE", UseClientProtocol: true })
            {
                here.Field("http").Error("use client protocol must not be true when H2UpgradePolicy is UPGRADE");
            }
        }

        if (outlier is not null)
        {
            CheckOutlier(outlier, at.Field("outlierDetection"));
        }

        if (tls is not null)
        {
            ClientTlsCheck.Check(tls, at.Field("tls"));
        }
    }

    private static void CheckOutlier(OutlierDetection outlier, Cursor at)
    {
        if (outlier.ConsecutiveLocalOriginFailures > 0 && outlier.SplitExternalLocalOriginErrors != true)
        {
            at.Field("consecutiveLocalOriginFailures").Error(
                "consecutive local origin failures specified but split external local origin errors set to false; "
                + "add splitExternalLocalOriginErrors: true");
        }

        OutlierAdvice.Check(outlier, at);

        // As Envoy since 2023: the share after the ejection counts, and no endpoint is exempt from it.
        if (outlier.MaxEjectionPercent is null or 0)
        {
            at.Field("maxEjectionPercent").Advise(
                "never-ejects",
                "the default of 10 never ejects anything in a service with fewer than 10 endpoints; write for example maxEjectionPercent: 50");
        }
    }

    private static void CheckTunnel(TunnelSettings tunnel, Cursor at)
    {
        if (tunnel.Protocol is not (null or "" or "CONNECT" or "POST"))
        {
            at.Field("protocol").Error("tunnel protocol must be \"CONNECT\" or \"POST\"", DiagnosticCode.NotSupported);
        }

        if (tunnel.TargetHost is { } host && !System.Net.IPAddress.TryParse(host, out _) && HostName.Check(host) is { } problem)
        {
            at.Field("targetHost").Error(problem);
        }
    }
}
